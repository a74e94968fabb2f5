"""Labels with times, as other programs read them."""

import csv
import io
import json

from calm_pl.evaluation.recordings import Event
from calm_pl.report.label_tracks import LabelledRecording, audacity_text, csv_text, json_text, raven_text

OWL = LabelledRecording(
    "night.flac", [Event(0, 7.5, "owl", 0.875), Event(10, 12.5, "=rain\tand wind", 0.5)], 15.0, 2.5
)
BAD = LabelledRecording("bad.wav", [], error="bad.wav: is truncated.")


def test_csv_can_be_read_back_and_runs_no_formula():
    rows = list(csv.DictReader(io.StringIO(csv_text([OWL, BAD]))))
    assert rows[0] == {
        "file": "night.flac",
        "start": "0.000",
        "stop": "7.500",
        "label": "owl",
        "probability": "0.875000",
        "error": "",
    }
    assert rows[1]["label"] == "'=rain\tand wind"
    assert (rows[2]["file"], rows[2]["label"], rows[2]["error"]) == ("bad.wav", "", "bad.wav: is truncated.")


def test_json_names_every_recording():
    owl, bad = json.loads(json_text([OWL, BAD]))
    assert owl["events"][0] == {"start": 0, "stop": 7.5, "label": "owl", "probability": 0.875}
    assert (owl["seconds"], owl["silent_seconds"], owl["error"]) == (15, 2.5, None)
    assert (bad["events"], bad["error"]) == ([], "bad.wav: is truncated.")


def test_audacity_reads_three_fields_a_line():
    assert audacity_text(OWL) == "0.000000\t7.500000\towl\n10.000000\t12.500000\t=rain and wind\n"


def test_raven_reads_a_table_with_its_own_columns():
    head, *rows = [line.split("\t") for line in raven_text(OWL, 8_000).splitlines()]
    selection = [dict(zip(head, row, strict=True)) for row in rows]
    assert [one["Selection"] for one in selection] == ["1", "2"]
    assert selection[0] == {
        "Selection": "1",
        "View": "Spectrogram 1",
        "Channel": "1",
        "Begin Time (s)": "0.000000",
        "End Time (s)": "7.500000",
        "Low Freq (Hz)": "0",
        "High Freq (Hz)": "8000",
        "Label": "owl",
        "Score": "0.8750",
    }
