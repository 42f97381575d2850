"""The size of modules and functions, and that each module has its tests."""

import ast

import pytest
from conftest import ROOT

PACKAGE, TESTS = ROOT / "tf_supermask", ROOT / "tests"
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
ELSEWHERE = {  # module -> the file of its tests, where it has another name
    "train.py": "test_main.py",
    "preloaded.py": "scheduling/test_local.py",
    "reporting.py": "test_report.py",
    "exporting.py": "test_export.py",
    "inspecting.py": "test_inspect.py",
    "deploy/words.py": "deploy/test_container_format.py",
    "evidence/zoo_files.py": "test_zoo.py",
    "thresholds.py": "test_masks.py",
    "deploy/calibration.py": "deploy/test_tflite.py",
    "evidence/speed_sections.py": "evidence/test_benchmarks.py",
    "deploy/kernel_rules.py": "deploy/test_channel_rules.py",
    "deploy/structure.py": "deploy/test_compaction.py",
    "deploy/own_weights.py": "deploy/test_container.py",
    "experiments/conditions.py": "experiments/test_spec.py",
    "experiments/rival_settings.py": "experiments/test_spec.py",
    "gradients.py": "test_masks.py",
    "rivals/checks.py": "rivals/test_callback.py",
    "rivals/events.py": "rivals/test_callback.py",
    "rivals/gradients.py": "rivals/test_callback.py",
    "rivals/method_names.py": "rivals/test_methods.py",
    "rivals/slots.py": "rivals/test_callback.py",
    "deploy/counted_variables.py": "deploy/test_loading.py",
    "forms.py": "test_masking.py",
    "replacing.py": "test_masking.py",
    "experiments/shrinking.py": "experiments/test_shrinking_runs.py",
}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_modules_and_functions_are_short(module):
    text = (PACKAGE / module).read_text()
    assert text.count("\n") <= 250
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert {node.name for node in functions if node.end_lineno - node.lineno >= 40} == set()


@pytest.mark.parametrize("module", [module for module in MODULES if module.parts[0] != "papers"], ids=str)
def test_each_module_has_tests(module):
    assert (TESTS / ELSEWHERE.get(str(module), module.with_name(f"test_{module.name}"))).is_file()


@pytest.mark.parametrize("paper", ["koster", "zhou"])
def test_each_paper_has_tests_of_its_claims(paper):
    """Its tables and figures are made in test_report.py, all in turn."""
    assert (TESTS / "papers" / f"test_{paper}_claims.py").is_file()
