"""Facts about every built-in benchmark; imports nothing heavy, so that they can be listed in a moment."""

from __future__ import annotations

from calm_pl.data.benchmarks.facts import Facts

FACTS: dict[str, Facts] = {
    "esc50": Facts(
        title="ESC-50",
        licence="CC BY-NC 3.0 (ESC-10: CC BY 3.0)",
        home="https://github.com/karolpiczak/ESC-50",
        layout="the ESC-50 folder, with meta/esc50.csv and audio/*.wav",
        classes=50,
        clips=2_000,
    ),
    "vggsound": Facts(
        title="VGGSound",
        licence="CC BY 4.0 (the labels; the clips belong to their makers)",
        home="https://www.robots.ox.ac.uk/~vgg/data/vggsound/",
        layout="a folder with vggsound.csv (or train.csv and test.csv) and audio/<id>_<start>.wav or .flac,"
        " or video/<id>_<start>.mp4",
        classes=309,
        clips=199_176,
        splits={"train": 183_730, "test": 15_446},
    ),
    "vggvideo": Facts(
        title="VGGVideo",
        licence="CC BY 4.0 (the labels; the clips belong to their makers)",
        home="https://www.robots.ox.ac.uk/~vgg/data/vggsound/",
        layout="a folder with vggsound.csv (or train.csv and test.csv) and video/<id>_<start>.mp4",
        classes=309,
        clips=199_176,
        splits={"train": 183_730, "test": 15_446},
    ),
    "audioset": Facts(
        title="AudioSet",
        licence="CC BY 4.0 (the labels; the clips belong to their makers)",
        home="https://research.google.com/audioset/download.html",
        layout="a folder with class_labels_indices.csv, balanced_train_segments.csv, eval_segments.csv and"
        " audio/balanced_train/, audio/eval/",
        classes=527,
        clips=42_531,
        splits={"balanced_train": 22_160, "eval": 20_371},
    ),
    "asvspoof2019_la": Facts(
        title="ASVspoof 2019 LA",
        licence="ODC-By 1.0",
        home="https://datashare.ed.ac.uk/handle/10283/3336",
        layout="the LA folder, with ASVspoof2019_LA_cm_protocols/ and ASVspoof2019_LA_{train,dev,eval}/flac/",
        classes=2,
        clips=121_461,
        splits={"train": 25_380, "dev": 24_844, "eval": 71_237},
    ),
    "fsdd": Facts(
        title="FSDD",
        licence="CC BY-SA 4.0",
        home="https://github.com/Jakobovski/free-spoken-digit-dataset",
        layout="the FSDD folder, with recordings/{digit}_{speaker}_{take}.wav",
        classes=10,
        clips=3_000,
        splits={"train": 2_700, "test": 300},
    ),
    "speech_commands": Facts(
        title="Speech Commands",
        licence="CC BY 4.0",
        home="https://www.tensorflow.org/datasets/catalog/speech_commands",
        layout="the folder of version 0.02, with one sub-folder a word, validation_list.txt and"
        " testing_list.txt",
        classes=35,
        clips=105_829,
        splits={"train": 84_843, "validation": 9_981, "test": 11_005},
    ),
    "urbansound8k": Facts(
        title="UrbanSound8K",
        licence="CC BY-NC 3.0",
        home="https://urbansounddataset.weebly.com/urbansound8k.html",
        layout="the UrbanSound8K folder, with metadata/UrbanSound8K.csv and audio/fold1/ to audio/fold10/",
        classes=10,
        clips=8_732,
    ),
    "folder": Facts(
        title="your folder",
        licence="yours",
        home="docs/benchmarks.md",
        layout="one sub-folder a class, with its clips; or train/ and test/ (also val/) of those",
    ),
    "manifest": Facts(
        title="your manifest",
        licence="yours",
        home="docs/benchmarks.md",
        layout="data.manifest, a CSV, TSV, JSON or JSONL file of paths and labels; paths are below data.root",
    ),
    "huggingface": Facts(
        title="a Hugging Face data set",
        licence="its own",
        home="https://huggingface.co/datasets",
        layout="data.root is a name on the hub, NAME:CONFIG, or a folder saved by `datasets`",
    ),
}
