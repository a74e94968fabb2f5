"""Small copies of the official layouts, written by hand; the files hold their own names in place of sound."""

from pathlib import Path

from calm_pl.data import benchmark_class
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.settings import DataSettings


def touch(path: Path) -> Path:
    """A file like no other: its content is its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(path))
    return path


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def module(benchmark: str, root: Path | str, **settings: object) -> FewShotDataModule:
    """A data module with one shot; not yet prepared."""
    return FewShotDataModule(
        benchmark_class(benchmark)(DataSettings(**{"root": str(root), "shots": 1, **settings}))
    )


def prepared(benchmark: str, root: Path | str, **settings: object) -> FewShotDataModule:
    data = module(benchmark, root, **settings)
    data.prepare()
    return data


def labels(data: FewShotDataModule, queries: list) -> list[str]:
    return [data.classes[query.label] for query in queries]


# --- VGGSound

VGG_ROWS = [  # id, start, label, split
    ("aaaaaaaaaa1", 30, "bird chirping, tweeting", "train"),
    ("bbbbbbbbb_2", 0, "rapping", "train"),
    ("-ccccccccc3", 120, "rapping", "train"),
    ("dddd-ddddd4", 7, "bird chirping, tweeting", "test"),
    ("_eeeeeeeee5", 11, "rapping", "test"),
]


def vgg_name(row: tuple) -> str:
    return f"{row[0]}_{row[1]:06d}"


def quoted(label: str) -> str:
    return f'"{label}"' if "," in label else label


def vggsound(root: Path, *, parts: bool = False, audio: str | None = "wav", video: bool = False) -> Path:
    if parts:
        for split in ("train", "test"):
            rows = [f"{vgg_name(r)}.mp4,{quoted(r[2])}" for r in VGG_ROWS if r[3] == split]
            write(root / f"{split}.csv", *rows)
    else:
        write(root / "vggsound.csv", *(f"{r[0]},{r[1]},{quoted(r[2])},{r[3]}" for r in VGG_ROWS))
    for row in VGG_ROWS:
        if audio:
            touch(root / "audio" / f"{vgg_name(row)}.{audio}")
        if video:
            touch(root / "video" / f"{vgg_name(row)}.mp4")
    return root


# --- AudioSet

AUDIOSET_CLASSES = [
    ("/m/09x0r", "Speech"),
    ("/m/05zppz", "Male speech, man speaking"),
    ("/t/dd00088", "Gush"),
]
AUDIOSET_BALANCED = [
    ("--PJHxphWEs", 30.0, "/m/09x0r,/t/dd00088"),
    ("bal_0000002", 0.0, "/m/05zppz,/m/09x0r"),
    ("bal_0000003", 500.0, "/t/dd00088"),
]
AUDIOSET_EVAL = [("eval0000_01", 10.0, "/m/05zppz,/t/dd00088"), ("eval-000002", 20.0, "/m/09x0r")]


def segments(path: Path, rows: list[tuple]) -> Path:
    return write(
        path,
        "# Segments csv created Sun Mar  5 10:54:31 2017",
        f"# num_ytids={len(rows)}, num_segs={len(rows)}, num_unique_labels=3, num_positive_labels=5",
        "# YTID, start_seconds, end_seconds, positive_labels",
        *(f'{r[0]}, {r[1]:.3f}, {r[1] + 10:.3f}, "{r[2]}"' for r in rows),
    )


def audioset(root: Path) -> Path:
    lines = (f'{i},{mid},"{name}"' for i, (mid, name) in enumerate(AUDIOSET_CLASSES))
    write(root / "class_labels_indices.csv", "index,mid,display_name", *lines)
    segments(root / "balanced_train_segments.csv", AUDIOSET_BALANCED)
    segments(root / "eval_segments.csv", AUDIOSET_EVAL)
    for row in AUDIOSET_BALANCED:
        touch(root / "audio" / "balanced_train" / f"{row[0]}.flac")
    for row in AUDIOSET_EVAL:
        touch(root / "audio" / "eval" / f"{row[0]}.flac")
    return root


# --- ASVspoof 2019 LA

ASV_ROWS = {
    "train": [
        "LA_0079 LA_T_1138215 - - bonafide",
        "LA_0080 LA_T_1271820 - - bonafide",
        "LA_0079 LA_T_4675650 - A01 spoof",
        "LA_0098 LA_T_9839348 - A06 spoof",
    ],
    "dev": ["LA_0069 LA_D_1047731 - - bonafide", "LA_0070 LA_D_1000137 - A03 spoof"],
    "eval": [
        "LA_0039 LA_E_2834763 - A11 spoof",
        "LA_0014 LA_E_8877452 - A14 spoof",
        "LA_0030 LA_E_5849185 - - bonafide",
    ],
}
ASV_PROTOCOLS = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}


def asvspoof(root: Path, rows: dict[str, list[str]] = ASV_ROWS) -> Path:
    for split, lines in rows.items():
        name = f"ASVspoof2019.LA.cm.{ASV_PROTOCOLS[split]}.txt"
        write(root / "ASVspoof2019_LA_cm_protocols" / name, *lines)
        for line in lines:
            touch(root / f"ASVspoof2019_LA_{split}" / "flac" / f"{line.split()[1]}.flac")
    return root


# --- UrbanSound8K

URBAN_HEADER = "slice_file_name,fsID,start,end,salience,fold,classID,class"


def urbansound8k(root: Path, rows: list[str] | None = None) -> Path:
    if rows is None:
        rows = []
        for fold in range(1, 11):
            rows.append(f"{100 + fold}-3-0-0.wav,{100 + fold},0.0,0.3,1,{fold},3,dog_bark")
            rows.append(f"{200 + fold}-8-0-0.wav,{200 + fold},5.5,9.5,2,{fold},8,siren")
    write(root / "metadata" / "UrbanSound8K.csv", URBAN_HEADER, *rows)
    for row in rows:
        fields = row.split(",")
        touch(root / "audio" / f"fold{fields[5]}" / Path(fields[0]).name)
    return root


# --- Speech Commands

SPEAKERS = ("0132a06d", "0135f3f2", "004ae714", "00176480", "c50f55b8")


def speech_commands(
    root: Path, words: tuple = ("bed", "yes"), speakers: tuple = SPEAKERS, lists: bool = True
):
    for word in words:
        for speaker in speakers:
            touch(root / word / f"{speaker}_nohash_0.wav")
    touch(root / "_background_noise_" / "pink_noise.wav")
    if lists:
        write(root / "validation_list.txt", *(f"{word}/{speakers[0]}_nohash_0.wav" for word in words))
        write(root / "testing_list.txt", *(f"{word}/{speakers[1]}_nohash_0.wav" for word in words))
    return root
