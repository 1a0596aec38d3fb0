"""DATA and --root as the commands take them."""

import pytest


@pytest.mark.parametrize(
    "command",
    [("compare", "{}"), ("plan", "{}"), ("embed", "lenet5", "{}", "--weights", "none", "--out", "x.npz")],
)
def test_sets_by_their_names(command, opsin, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(data, *more):
        code, out, err = opsin(*(word.format(data) for word in command), *more)
        assert code == 1 and not out and err.count("\n") == 1
        return err

    assert "did you mean cifar10" in run("cifr10")
    assert "mnist is not in there," in run("mnist", "--root", "there")
    assert "--root is for sets that are known by a name" in run("digits", "--root", "there")
    (tmp_path / "list.csv").write_text("path,label\na.png,a\nb.png,b\n")
    assert "a.png (line 2), b.png (line 3)" in run("list.csv")
    assert {path.name for path in tmp_path.iterdir()} == {"list.csv"}
