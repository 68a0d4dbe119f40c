from pathlib import Path

import pytest
from support_configuration import Deployment, make_catalogue


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))
    folder = tmp_path / "etc"
    folder.mkdir()
    return Deployment(folder, make_catalogue(site))
