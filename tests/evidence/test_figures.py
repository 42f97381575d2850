"""Files that can change a figure."""

from tf_supermask.evidence import figures


def test_sources_are_what_a_module_imports_anywhere(tmp_path):
    files = {
        "package/__init__.py": "import package.unused_by_a",
        "package/a.py": "from package.sub import b\nimport numpy\n",
        "package/sub/__init__.py": "",
        "package/sub/b.py": "def late():\n    from package import c\n    return c\n",
        "package/c.py": "from package.d import name\nimport package.sub.e",
        "package/d.py": "import package.a\nname = 1\n",
        "package/sub/e.py": "",
        "package/f.py": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = {path.relative_to(tmp_path).as_posix() for path in figures.sources("package.a", tmp_path)}
    assert found == set(files) - {"package/f.py"}
