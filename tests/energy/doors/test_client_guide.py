"""The examples of docs/client.md run as they stand, against a served district."""

import re
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).parents[3] / "docs" / "client.md"


def test_every_example_of_the_guide_runs(town: Any, capsys: Any) -> None:
    examples = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert len(examples) == 5
    names = {
        "url": town.url, "token": town.token("operator"), "name": "kim", "code": town.code(later=1),
        "password": "correct horse battery staple", "private_key": town.crowd.private_key[0],
        "order": town.message(0, nonce=4_711),
    }  # fmt: skip
    for example in examples:
        exec(compile(example, str(GUIDE), "exec"), names)
    said = capsys.readouterr().out
    assert "404 urn:microgrid:problem:not-found" in said
    assert said.splitlines()[-1].split()[1] == "beat"
