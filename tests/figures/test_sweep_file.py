"""A sweep's table becomes the paper's figures 4 and 5."""

import pytest

from calm_pl.errors import DataError
from calm_pl.figures.run import LeftOut
from calm_pl.figures.sweep_file import Row, read_sweep, sweep_drawings

HEADER = "method,tau_p,top_k,shots,fold,draw,accuracy,n"


def table(tmp_path, *rows, header=HEADER):
    path = tmp_path / "sweep.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_rows_and_the_ways_to_say_all_heads(tmp_path):
    path = table(
        tmp_path,
        "calm,0.03,5,10,1,0,0.5,60",
        "calm,0.03,all,10,1,0,0.75,60",
        "calm_global,0.03,,20.0,1,0,1.0,60",
        "sav,0.03,null,20,1,0,0,60",
    )
    assert read_sweep(path) == [
        Row("calm", 5, 10, 0.5),
        Row("calm", None, 10, 0.75),
        Row("calm_global", None, 20, 1.0),
        Row("sav", None, 20, 0.0),
    ]


def test_another_varied_setting_must_be_fixed(tmp_path):
    path = table(tmp_path, "calm,0.03,5,10,1,0,0.5,60", "calm,0.1,5,10,1,0,0.6,60")
    with pytest.raises(DataError, match=r"differ in tau_p; choose a value with --where tau_p=0\.03"):
        read_sweep(path)
    assert read_sweep(path, {"tau_p": "0.10"}) == [Row("calm", 5, 10, 0.6)]
    with pytest.raises(DataError, match="has no row where tau_p=7"):
        read_sweep(path, {"tau_p": "7"})
    with pytest.raises(DataError, match="has no column colour"):
        read_sweep(path, {"colour": "red"})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("calm,0.03,5,10,1,0,50,60", "line 2: accuracy must be a fraction"),
        ("calm,0.03,few,10,1,0,0.5,60", "line 2: .*few"),
        ("calm,0.03,5,10,1,0,,60", "line 2: .*must be numbers"),
    ],
)
def test_bad_values_are_named(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        read_sweep(table(tmp_path, row))


def test_missing_columns_and_files(tmp_path):
    with pytest.raises(DataError, match="has no column fold, draw"):
        read_sweep(table(tmp_path, "calm,5,10,0.5", header="method,top_k,shots,accuracy"))
    with pytest.raises(DataError, match="cannot be read"):
        read_sweep(tmp_path / "none.csv")


def rows():
    return [
        Row(method, k, shots, round(0.5 + 0.01 * shots + 0.001 * (k or 40) + 0.002 * draw, 4))
        for method in ("calm", "calm_global")
        for k in (5, 20, None)
        for shots in (1, 10)
        for draw in range(3)
    ] + [Row("zero_shot", None, 10, 0.4)]


def shown(figure):
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]


def test_the_figures_show_the_means(tmp_path):
    drawings = sweep_drawings(rows(), num_heads=40)
    assert [one.name for one in drawings] == ["accuracy_over_heads", "shots_by_heads"]
    assert "with 10 shots" in drawings[0].caption
    assert "3 folds and draws" in drawings[0].caption
    figure = drawings[0].draw("light", None)
    (line,) = [one for one in figure.axes[0].get_lines() if one.get_label() == "CALM"]
    assert list(line.get_ydata()) == pytest.approx([0.607, 0.622, 0.642])
    assert "5\n12" in shown(figure)
    assert "zero_shot" not in shown(figure)
    cells = shown(drawings[1].draw("dark", None))
    assert {"60.7", "64.2", "51.7"} <= set(cells)
    (figure,) = (one.draw("light", None) for one in sweep_drawings(rows(), shots=1)[:1])
    assert any("CALM" in text for text in shown(figure))
    with pytest.raises(DataError, match="has results for 1, 10 shots, not for 5"):
        sweep_drawings(rows(), shots=5)


def test_a_sweep_without_them_says_so():
    one_k = [Row("calm", 5, 1, 0.5), Row("calm", 5, 10, 0.6)]
    assert all(isinstance(one, LeftOut) for one in sweep_drawings(one_k))
    one_shot = [Row("calm", 5, 1, 0.5), Row("calm", 9, 1, 0.6)]
    assert [type(one).__name__ for one in sweep_drawings(one_shot)] == ["Drawing", "LeftOut"]


def test_a_table_of_the_sweep_command_counts_its_grid_alone(tmp_path):
    header = "case,method,chosen,heads,top_k,shots,fold,draw,accuracy"
    path = table(
        tmp_path,
        ",calm,grid,40,5,10,1,0,0.5",
        ",calm,grid,40,40,10,1,0,0.6",
        ",calm,default,40,40,10,1,0,0.6",
        ",calm,loo,40,20,10,1,0,0.7",
        ",gda,grid,40,,10,1,0,0.9",
        ",zero_shot,grid,40,,,1,0,0.3",
        header=header,
    )
    assert read_sweep(path) == [Row("calm", 5, 10, 0.5), Row("calm", 40, 10, 0.6)]
    assert read_sweep(path, {"chosen": "loo"}) == [Row("calm", 20, 10, 0.7)]
