"""What the commands share: parsing, console, progress bars, and the compilation cache."""
