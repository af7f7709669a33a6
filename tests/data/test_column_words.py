"""`describe` proposes columns of boxes and key points with names in seven languages."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from jaxens.data.folder.columns import Columns, inspect_table
from jaxens.data.folder.table_files import read_table

SIDES = ("left", "top", "right", "bottom")
SIZES = ("left", "top", "width", "height")


def inspected(tmp_path: Path, names: str, cells: str = "1,2,8,9") -> Columns:
    rows = [f"{i}.jpg,{'ab'[i % 2]},{cells}" for i in range(10)]
    (tmp_path / "t.csv").write_text("\n".join([f"file,kind,{names}", *rows]))
    table = read_table(tmp_path / "t.csv", tmp_path)
    return inspect_table(table, "file", [f"{i}.jpg" for i in range(10)])


@pytest.mark.parametrize(
    ("names", "sides", "part"),
    [
        ("x_min,y_min,x_max,y_max", SIDES, "box"),
        ("minX,minY,maxX,maxY", SIDES, "box"),
        ("x0,y0,x1,y1", SIDES, "box"),
        ("x1,y1,x2,y2", SIDES, "box"),
        ("x1,y1,w,h", SIZES, "box"),
        ("links,oben,breite,höhe", SIZES, "box"),
        ("Links,Oben,Breite,Hoehe", SIZES, "box"),
        ("Kopf_links,Kopf_oben,Kopf_rechts,Kopf_unten", SIDES, "kopf"),
        ("x,y,breite,höhe", SIZES, "box"),
        ("gauche,haut,droite,bas", SIDES, "box"),
        ("tête gauche,tête haut,tête largeur,tête hauteur", SIZES, "tête"),
        ("izquierda,arriba,derecha,abajo", SIDES, "box"),
        ("pico.izquierda,pico.arriba,pico.ancho,pico.alto", SIZES, "pico"),
        ("esquerda,topo,largura,altura", SIZES, "box"),
        ("sinistra,cima,destra,basso", SIDES, "box"),
        ("links,boven,breedte,hoogte", SIZES, "box"),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_box_is_proposed(
    tmp_path: Path, names: str, sides: tuple[str, ...], part: str, form: Any
) -> None:
    names = unicodedata.normalize(form, names)
    found = inspected(tmp_path, names)
    assert found.boxes == {part: dict(zip(sides, names.split(","), strict=True))}
    assert found.classes == ["kind"]


@pytest.mark.parametrize(
    ("names", "cells", "point", "columns"),
    [
        ("beak_x,beak_y", "1,2", "beak", ["beak_x", "beak_y"]),
        ("Schnabel X,Schnabel Y,Schnabel sichtbar", "1,2,0", "Schnabel",
         ["Schnabel X", "Schnabel Y", "Schnabel sichtbar"]),
        ("x_bec,y_bec,visible_bec", "1,2,1", "bec", ["x_bec", "y_bec", "visible_bec"]),
        ("x_Öse,y_Öse", "1,2", "Öse", ["x_Öse", "y_Öse"]),
    ],
)  # fmt: skip
def test_a_key_point_is_proposed(
    tmp_path: Path, names: str, cells: str, point: str, columns: list[str]
) -> None:
    assert inspected(tmp_path, names, cells).points == {point: columns}


@pytest.mark.parametrize("names", ["links,oben,kopf_breite,höhe", "x1,y1,z,q", "bas,haut,x,index"])
def test_columns_of_another_pattern_are_no_box(tmp_path: Path, names: str) -> None:
    assert inspected(tmp_path, names).boxes == {}
