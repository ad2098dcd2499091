"""The secret keys that the first start makes."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from arrivals import config
from arrivals.errors import InvalidSetting


def test_many_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    program = "from arrivals import config; print(config.current().secret_keys)"
    command = [sys.executable, "-c", program]
    starts = [
        subprocess.Popen(command, env={"ARRIVALS_HOME": str(tmp_path)}, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    told = {start.communicate()[0] for start in starts}
    assert len(told) == 1
    assert [start.returncode for start in starts] == [0] * 8
    assert [path.name for path in tmp_path.iterdir()] == ["secret_keys"]
    assert stat.S_IMODE((tmp_path / "secret_keys").stat().st_mode) == 0o600


def test_an_emptied_file_is_told_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "secret_keys").write_text("")
    with pytest.raises(InvalidSetting, match="no usable key"):
        config._kept_keys(tmp_path)
    assert (tmp_path / "secret_keys").read_text() == ""
