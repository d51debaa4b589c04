"""What the scores of an evaluation are called, and how people read them; known without torch."""

TITLES = {
    "top1": "top-1",
    "top5": "top-5",
    "exact_match": "all labels right",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision, macro",
    "recall": "recall, macro",
    "f1": "F1, macro",
    "precision_weighted": "precision, weighted",
    "recall_weighted": "recall, weighted",
    "f1_weighted": "F1, weighted",
    "auroc": "AUROC, macro",
    "average_precision": "average precision, macro",
    "matthews": "Matthews correlation",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error",
}
"""The numbers over all images, as people read them; macro: the mean over classes; weighted: each by its images."""

NOT_PERCENT = ("matthews", "log_loss", "brier")
LOWER_IS_BETTER = ("log_loss", "brier", "ece")
