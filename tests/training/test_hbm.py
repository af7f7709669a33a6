"""The bytes that a program for TPUs moves are those of a count by hand."""

from jaxens.training.hbm import bytes_in_memory

HBM, CHIP = "{1,0:T(8,128)}", "{1,0:T(8,128)S(1)}"
KIB = 1024  # an array f32[2,128]
COPIES = f"""
ENTRY %main (x: f32[2,128]) -> f32[2,128] {{
  %x = f32[2,128]{HBM} parameter(0)
  %copy-start = (f32[2,128]{CHIP}, f32[2,128]{HBM}, u32[]{{:S(2)}}) copy-start(%x)
  %copy-done = f32[2,128]{CHIP} copy-done(%copy-start)
  %slice-start = ((f32[2,128]{HBM}), f32[1,128]{CHIP}, s32[]{{:S(2)}}) slice-start(%x)
  %slice-done = f32[1,128]{CHIP} slice-done(%slice-start)
  %sum = f32[2,128]{CHIP} add(%copy-done, %copy-done)
  ROOT %product = f32[2,128]{HBM} multiply(%sum, %x)
}}
"""


def test_what_is_on_the_chip_is_left_out():
    """The copy reads the array, the slice half of it; the product reads and writes one."""
    assert bytes_in_memory(COPIES) == KIB + KIB // 2 + 2 * KIB


UPDATES = f"""
%inner (stack.1: f32[11,256]) -> f32[1,256] {{
  %stack.1 = f32[11,256]{HBM} parameter(0)
  ROOT %slice.1 = f32[1,256]{HBM} slice(%stack.1), slice={{[0:1], [0:256]}}
}}

%fused (stack: f32[11,256], row: f32[1,256], other: f32[11,256]) -> (f32[11,256], f32[1,256]) {{
  %stack = f32[11,256]{HBM} parameter(0)
  %row = f32[1,256]{HBM} parameter(1)
  %other = f32[11,256]{HBM} parameter(2)
  %part = f32[1,256]{HBM} fusion(%other), kind=kLoop, calls=%inner
  %zero = s32[] constant(0)
  %sum = f32[1,256]{HBM} add(%row, %part)
  %updated = f32[11,256]{HBM} dynamic-update-slice(%stack, %sum, %zero, %zero)
  ROOT %both = (f32[11,256]{HBM}, f32[1,256]{HBM}) tuple(%updated, %sum)
}}

ENTRY %main (a: f32[11,256], b: f32[1,256], c: f32[11,256]) -> (f32[11,256], f32[1,256]) {{
  %a = f32[11,256]{HBM} parameter(0)
  %b = f32[1,256]{HBM} parameter(1)
  %c = f32[11,256]{HBM} parameter(2)
  ROOT %fusion = (f32[11,256]{HBM}, f32[1,256]{HBM}) fusion(%a, %b, %c), calls=%fused
}}
"""


def test_a_slice_counts_as_what_is_sliced_and_an_update_as_what_is_written():
    """A row of `b` and one of `c` are read, and two are written."""
    assert bytes_in_memory(UPDATES) == 4 * KIB


LOOP = f"""
%body (state: (f32[2,128])) -> (f32[2,128]) {{
  %state = (f32[2,128]{HBM}) parameter(0)
  %x = f32[2,128]{HBM} get-tuple-element(%state), index=0
  %twice = f32[2,128]{HBM} add(%x, %x)
  ROOT %next = (f32[2,128]{HBM}) tuple(%twice)
}}

ENTRY %main (x: f32[2,128]) -> (f32[2,128]) {{
  %x.1 = f32[2,128]{HBM} parameter(0)
  %first = (f32[2,128]{HBM}) tuple(%x.1)
  ROOT %loop = (f32[2,128]{HBM}) while(%first), body=%body, {{"known_trip_count":{{"n":"10"}}}}
}}
"""


def test_every_pass_of_a_loop_counts():
    """Both operands are counted, as the compiler does."""
    assert bytes_in_memory(LOOP) == 10 * 3 * KIB


COUNTED = f"""
%test (state: (f32[2,128])) -> pred[] {{
  %end = s32[] constant(4), metadata={{op_name="jit(run)/while"}}
  %now = (s32[], f32[2,128]{HBM}) parameter(0)
  %number = s32[] get-tuple-element(%now), index=0
  ROOT %less = pred[] compare(%number, %end), direction=LT, metadata={{op_name="lt"}}
}}
{LOOP.replace("body=%body, ", "condition=%test, body=%body, ").replace("known_trip_count", "no")}
"""


def test_a_loop_that_counts_up_to_a_number_has_as_many_passes():
    assert bytes_in_memory(COUNTED) == 4 * 3 * KIB


def test_a_loop_of_unknown_length_has_no_count():
    assert bytes_in_memory(COUNTED.replace("constant(4)", "parameter(1)")) is None
    assert bytes_in_memory(COUNTED.replace("direction=LT", "direction=GT")) is None
    assert bytes_in_memory(LOOP.replace("while(%first)", "conditional(%first)")) is None
