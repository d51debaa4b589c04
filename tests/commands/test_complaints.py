"""The parser's raw complaints, as jsonargparse 4.53 words them; tests/test_bad_input.py makes the parser say them."""

import pytest

from inception_lightning.commands.complaints import sentence

OPTIONS = ["model.net", "model.optimizer", "trainer.max_epochs", "data", "config"]


@pytest.mark.parametrize(
    ("complaint", "expected"),
    [
        ("unrecognized arguments: --modle.net=X", "there is no option modle.net: did you mean model.net?"),
        ("unrecognized arguments: --zzz", "there is no option zzz"),
        (
            "the following arguments are required: model.net",
            "model.net is missing: say --model.net VALUE, or --config FILE with a page that has it",
        ),
        ("Group 'model' does not accept option 'nett'", "there is no option model.nett: did you mean model.net?"),
        (
            'Parser key "trainer.max_epochs":\n  Does not validate against any of the Union subtypes\n'
            "  Subtypes: [<class 'int'>, <class 'NoneType'>]\n  Errors:\n    - Expected a <class 'int'>\n"
            "    - Expected a <class 'NoneType'>\n  Given value type: <class 'str'>\n  Given value: many",
            "trainer.max_epochs: expected int or null, got many",
        ),
        (
            "Parser key \"model.net\":\n  Problem with given class_path 'inception_lightning.InceptionResNetV1':\n"
            "    Parser key \"stem\":\n      Expected a typing.Literal['imagenet', 'small']. Got value: tiny",
            "model.net.stem: expected 'imagenet' or 'small', got tiny",
        ),
        (
            "Parser key \"model.net\":\n  Problem with given class_path 'inception_lightning.InceptionResNetV1':\n"
            "    Option 'residual_scale' is not accepted",
            "there is no option model.net.residual_scale: did you mean residual_scales?",
        ),
        (
            'Parser key "model.optimizer":\n\n  - Expected a path but SGDD either not accessible or invalid\n'
            "  - Expected a dot import path string: SGDD",
            "model.optimizer: there is no class SGDD: did you mean SGD?",
        ),
        (
            'Parser key "model.net":\n\n  - Import path torch.nn.ReLU does not correspond to a subclass of Inception',
            "model.net: torch.nn.ReLU is no Inception",
        ),
        (
            'Parser key "a":\n    Parser key "lr":\n    - Expected a path but big either not accessible or invalid\n'
            "    Subtypes: [<class 'float'>, <class 'torch.Tensor'>]\n    Errors:\n      - Expected a <class 'float'>\n"
            "      - Expected a dot import path string: big\n    Given value: big. Got value: Namespace(lr='big')",
            "a.lr: expected float or Tensor, got big",
        ),
        (
            "Parser key \"a\":\n  Subtypes: [<class 'B'>, <class 'NoneType'>]\n  Errors:\n    - Parser key \"c\":\n"
            "      Subtypes: [<class 'int'>, <class 'NoneType'>]\n      Given value: x\n"
            "    - Expected a <class 'NoneType'>\n  Given value: NestedArg(key='c', val='x')",
            "a.c: expected int or null, got x",
        ),
        (
            'Parser key "model.lr_scheduler":\n\n  - Expected a path but X either not accessible or invalid\n'
            "  Subtypes: [collections.abc.Callable[[A], B], <class 'NoneType'>]\n  Errors:\n    - Multiple "
            "subclasses with name X. Give the full class path to avoid ambiguity: one.X, two.X.\n"
            "    - Expected a <class 'NoneType'>\n  Given value type: <class 'str'>\n  Given value: X",
            "model.lr_scheduler: several classes are called X: give the whole name, one.X or two.X",
        ),
        (
            'Parser key "data":\n\n  - Expected a path but mine.Data either not accessible or invalid\n  Subtypes: '
            "[<class 'A'>, <class 'NoneType'>]\n  Errors:\n    - Problem with given class_path 'mine.Data':\n        "
            "No module named 'mine'\n    - Expected a <class 'NoneType'>\n  Given value: mine.Data",
            "data: mine.Data cannot be imported (No module named 'mine'): install the package mine, "
            "or start where it lies",
        ),
        (
            'Parser key "model.optimizer":\n\n  - Expected a path but mine.a.B either not accessible or invalid\n'
            "  - Type A expects a callable class: module 'mine' has no attribute 'a'. Got value: mine.a.B",
            "model.optimizer: mine.a.B cannot be imported (module 'mine' has no attribute 'a'): "
            "install the package mine, or start where it lies",
        ),
        (
            "Parser key \"model.metrics\":\n  Subtypes: [A, <class 'NoneType'>]\n  Errors:\n    - Problem with given "
            "class_path 'mine.F1':\n        the following arguments are required: num_classes\n    - Expected a "
            "<class 'NoneType'>\n  Given value: {'f1': Namespace(class_path='mine.F1', init_args=Namespace())}",
            "model.metrics: mine.F1 needs num_classes, which nobody has given",
        ),
        (
            'Parser key "trainer.callbacks":\n  Subtypes: [A, B]\n  Errors:\n    - Problem with given class_path '
            "'mine.Dots':\n        Option 'nothing' is not accepted\n    - Problem with given class_path 'li.A':\n"
            "        Importing 'li.A' is not allowed, denied by the '*' entry",
            "there is no option trainer.callbacks.nothing",
        ),
        ("something\n   quite  new", "something quite  new"),
    ],
)
def test_a_complaint_becomes_one_sentence(complaint: str, expected: str) -> None:
    assert sentence(complaint, OPTIONS) == expected
