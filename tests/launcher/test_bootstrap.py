"""./valerix on machines that lack programs; a stub of uv makes real, empty environments."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.eventually import until_blocking

ROOT = Path(__file__).parents[2]
TOOLS = ("cat", "cmp", "cp", "grep", "mkdir", "readlink", "rm", "sh", "sleep", "touch")
UV = """#!/bin/sh
# A stub of uv: logs its arguments, makes environments with the real venv module.
echo "$@" >>'{log}'
case "$*" in
    venv*) for last; do :; done; exec '{python}' -m venv --without-pip "$last" ;;
    "pip sync"*) if [ -e '{home}/hang' ]; then touch '{home}/hanging'; exec sleep 1000; fi
                 if [ -e '{home}/fail' ]; then echo 'no network' >&2; exit 1; fi ;;
esac
"""
OLD_PYTHON = """#!/bin/sh
case "$1" in --version) echo "Python 3.9.2" ;; *) exit 1 ;; esac
"""
BARE_PYTHON = """#!/bin/sh
case "$*" in
    --version) echo "Python 3.12.1" ;;
    *"import venv"*) exit 1 ;;
    *print*) echo python3.12-venv ;;
esac
"""
BUILT_PYTHON = """#!/bin/sh
# A Python that says whether it is optimized; makes environments with an installer in them.
case "$*" in
    *CONFIG_ARGS*) {optimized} ;;
    *ensurepip* | *"import venv"*) {able} ;;
    *"-m venv"*) for last; do :; done
                 echo "$0" >>'{home}/taken'
                 '{python}' -m venv --without-pip "$last"
                 mkdir -p "$last/tools/bin"
                 cp '{home}/installer' "$last/tools/bin/uv" ;;
    *) exec '{python}' "$@" ;;
esac
"""
PROGRAM = "import sys\nprint('ran', __file__, sys.argv[1:])\n"


class Checkout:
    """A copy of the script in a folder with a space; its program only prints that it ran."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.root = home / "my checkout"
        self.bin = home / "bin"
        self.log = home / "uv.log"
        program = self.root / "src" / "valerix" / "cli"
        program.mkdir(parents=True)
        (program / "main.py").write_text(PROGRAM)
        shutil.copy(ROOT / "valerix", self.root)
        for name in ("requirements", "requirements-dev", "requirements-bootstrap"):
            (self.root / f"{name}.lock").write_text(f"{name}==1\n")
        self.bin.mkdir()
        self.environment = {"PATH": str(self.bin)}
        for name in TOOLS:
            found = shutil.which(name)
            assert found is not None, name
            (self.bin / name).symlink_to(found)

    def provide(self, name: str, script: str, **values: str) -> None:
        file = self.bin / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            script.format(log=self.log, python=sys.executable, home=self.home, **values)
        )
        file.chmod(0o755)

    def provide_built(self, name: str, *, optimized: bool = True, able: bool = True) -> None:
        self.provide(
            name, BUILT_PYTHON, optimized=f"exit {int(not optimized)}", able=f"exit {int(not able)}"
        )
        self.provide("../installer", UV)

    def noted(self, what: str) -> list[str]:
        file = self.home / what
        return [Path(line).name for line in file.read_text().splitlines()] if file.exists() else []

    def run(
        self, *arguments: str, cwd: Path | None = None, command: Path | str = "", **options: Any
    ) -> str:
        done = self.start(*arguments, cwd=cwd, command=command, **options)
        output, _ = done.communicate(timeout=120)
        self.status = done.returncode
        return output

    def start(
        self, *arguments: str, cwd: Path | None = None, command: Path | str = "", **options: Any
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [command or self.root / "valerix", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd or self.home,
            env=self.environment,
            **options,
        )

    def asked_of_uv(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def syncs(self) -> list[str]:
        return [
            line.rsplit("/", 1)[1] for line in self.asked_of_uv() if line.startswith("pip sync")
        ]


@pytest.fixture
def checkout(folder: Path) -> Checkout:
    return Checkout(folder)


@pytest.fixture
def ready(checkout: Checkout) -> Checkout:
    """A checkout with a recent Python and uv on the PATH."""
    checkout.provide("python3", "#!/bin/sh\nexec '{python}' \"$@\"\n")
    checkout.provide("uv", UV)
    return checkout


def test_it_installs_once_and_then_only_runs(ready: Checkout) -> None:
    first = ready.run("status", "--json")
    assert ready.status == 0, first
    assert f"ran {ready.root}/src/valerix/cli/main.py ['status', '--json']" in first
    assert "making" in first
    assert "installing 1 packages" in first
    second = ready.run("status", "--json")
    assert second == f"ran {ready.root}/src/valerix/cli/main.py ['status', '--json']\n"
    assert ready.syncs() == ["requirements.lock"]


def test_what_is_installed_is_hash_checked(ready: Checkout) -> None:
    ready.run()
    (sync,) = [line for line in ready.asked_of_uv() if line.startswith("pip sync")]
    assert "--require-hashes" in sync


def test_a_changed_lock_installs_again(ready: Checkout) -> None:
    ready.run()
    (ready.root / "requirements.lock").write_text("requirements==2\n")
    assert "making" not in ready.run()
    assert ready.syncs() == ["requirements.lock"] * 2


def test_the_tests_bring_their_own_packages_once(ready: Checkout) -> None:
    ready.run("status")
    ready.run("test")
    ready.run("test")
    ready.run("status")
    assert ready.syncs() == ["requirements.lock", "requirements-dev.lock"]


def test_help_about_the_tests_brings_none_of_their_packages(ready: Checkout) -> None:
    assert "['test', '--help']" in ready.run("test", "--help")
    assert ready.syncs() == ["requirements.lock"]


def test_a_shell_that_completes_a_line_waits_for_no_installation(ready: Checkout) -> None:
    ready.environment["_VALERIX_COMPLETE"] = "complete_bash"
    assert ready.run() == ""
    assert (ready.status, ready.syncs()) == (0, [])


def test_it_runs_from_anywhere_through_a_link(ready: Checkout) -> None:
    elsewhere = ready.home / "else where"
    elsewhere.mkdir()
    (elsewhere / "link").symlink_to(Path("..") / "my checkout" / "valerix")
    (elsewhere / "valerix").symlink_to("link")
    assert f"ran {ready.root}/src" in ready.run(cwd=elsewhere, command=elsewhere / "valerix")
    assert f"ran {ready.root}/src" in ready.run(cwd=ready.root, command="./valerix")


def test_a_moved_checkout_runs_its_own_code(ready: Checkout) -> None:
    ready.run()
    ready.root.rename(ready.home / "moved")
    ready.root = ready.home / "moved"
    assert ready.run() == f"ran {ready.root}/src/valerix/cli/main.py []\n"


def test_modules_lying_in_the_working_directory_are_not_run(ready: Checkout) -> None:
    hostile = ready.home / "hostile"
    (hostile / "valerix" / "cli").mkdir(parents=True)
    (hostile / "valerix" / "cli" / "main.py").write_text("print('the wrong program')")
    assert f"ran {ready.root}/src" in ready.run(cwd=hostile)


def test_an_installation_that_failed_is_tried_again(ready: Checkout) -> None:
    (ready.home / "fail").touch()
    output = ready.run()
    assert ready.status == 1
    assert "no network" in output
    assert "the next start tries again" in output
    (ready.home / "fail").unlink()
    assert "ran" in ready.run()


def test_an_installation_that_was_killed_is_repaired(ready: Checkout) -> None:
    (ready.home / "hang").touch()
    first = ready.start(start_new_session=True)
    until_blocking((ready.home / "hanging").exists, "the installation is under way")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    (ready.root / ".venv" / "half-written").touch()
    (ready.home / "hang").unlink()
    assert "ran" in ready.run()
    assert not (ready.root / ".venv" / "half-written").exists()


def test_a_second_start_waits_for_the_installation_of_the_first(ready: Checkout) -> None:
    (ready.home / "hang").touch()
    first = ready.start(start_new_session=True)
    until_blocking((ready.home / "hanging").exists, "the installation is under way")
    second = ready.start()
    assert second.stdout is not None
    assert f"waiting for another installation (process {first.pid})" in second.stdout.readline()
    (ready.home / "hang").unlink()
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    output, _ = second.communicate(timeout=120)
    assert "ran" in output


def test_an_environment_whose_python_is_gone_is_made_anew(ready: Checkout) -> None:
    ready.run()
    python = ready.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    output = ready.run()
    assert "making" in output
    assert "ran" in output


def test_an_old_python_is_named_with_the_remedy(checkout: Checkout) -> None:
    checkout.provide("python3", OLD_PYTHON)
    output = checkout.run("up")
    assert checkout.status == 1
    assert "needs Python 3.11 or newer and found Python 3.9.2" in output
    assert "apt-get install python3.11" in output
    assert output.count("\n") == 1


def test_no_python_at_all_is_said(checkout: Checkout) -> None:
    output = checkout.run("up")
    assert checkout.status == 1
    assert "found no Python" in output
    assert output.count("\n") == 1


def test_a_newer_python_is_found_beside_an_old_one(ready: Checkout) -> None:
    ready.provide("python3.11", "#!/bin/sh\nexec '{python}' \"$@\"\n")
    ready.provide("python3", OLD_PYTHON)
    assert "ran" in ready.run()


def test_a_missing_venv_module_names_its_package(checkout: Checkout) -> None:
    checkout.provide("python3", BARE_PYTHON)
    output = checkout.run("up")
    assert checkout.status == 1
    assert "apt-get install python3.12-venv" in output
    assert not (checkout.root / ".venv").exists()


def test_the_first_optimized_python_is_taken_and_said(checkout: Checkout) -> None:
    checkout.provide_built("python3.12", optimized=False)
    checkout.provide_built("python3.11")
    checkout.provide_built("python3")
    output = checkout.run()
    assert (
        f"valerix: taking {checkout.bin}/python3.11: {checkout.bin}/python3.12 was built without"
        in output
    )
    assert checkout.noted("taken") == ["python3.11"]
    (checkout.root / "requirements.lock").write_text("requirements==2\n")
    checkout.provide_built("python3.12")
    assert "taking" not in checkout.run(), "an environment that exists keeps its Python"
    assert len(checkout.syncs()) == 2
    assert checkout.noted("taken") == ["python3.11"]


@pytest.mark.parametrize("optimized", [True, False])
def test_the_first_python_is_taken_with_a_hint_when_none_is_optimized(
    checkout: Checkout, optimized: bool
) -> None:
    checkout.provide_built("python3.12", optimized=optimized)
    checkout.provide_built("python3", optimized=optimized)
    assert (
        "python3.12 was built without optimization: one built" in checkout.run()
    ) is not optimized
    assert checkout.noted("taken") == ["python3.12"]


def test_an_optimized_python_is_found_wherever_it_is_on_the_path(checkout: Checkout) -> None:
    checkout.provide_built("python3", optimized=False)
    checkout.provide_built("../an other/python3")
    checkout.environment["PATH"] = (
        f"{checkout.bin}::{checkout.home}/nowhere:{checkout.home}/an other"
    )
    assert f"taking {checkout.home}/an other/python3: {checkout.bin}/python3 was" in checkout.run()


BUILDS = {
    "distribution": ("'--prefix=/usr' '--with-system-expat'", "/usr", True),
    "optimized": (
        "'--prefix=/opt/python' '--enable-optimizations' '--with-lto'",
        "/opt/python",
        True,
    ),
    "pyenv": (
        "'--prefix=/root/.pyenv/versions/3.11.7' '--enable-shared'",
        "/root/.pyenv/versions/3.11.7",
        False,
    ),
    "unknown": (None, "/opt/pypy", False),
}


@pytest.mark.parametrize(("options", "prefix", "optimized"), BUILDS.values(), ids=BUILDS)
def test_how_a_python_was_built_is_known_from_its_options(
    options: str | None, prefix: str, optimized: bool
) -> None:
    asked = (ROOT / "valerix").read_text().partition("optimized() {")[2].split("'")[1]
    given = (
        f"import sys, sysconfig\nsysconfig.get_config_var = {{'CONFIG_ARGS': {options!r}}}.get\n"
    )
    script = f"{given}sys.base_prefix = {prefix!r}\n{asked}"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == int(
        not optimized
    )


def test_the_working_directory_counts_where_the_path_says_so(checkout: Checkout) -> None:
    checkout.provide_built("../here/python3")
    checkout.environment["PATH"] = f"{checkout.bin}:"
    assert "ran" in checkout.run(cwd=checkout.home / "here")


def test_a_python_that_can_make_no_environment_is_not_taken(checkout: Checkout) -> None:
    checkout.provide_built("python3.12")
    checkout.provide_built("python3", able=False)
    assert "taking" not in checkout.run()
    assert checkout.noted("taken") == ["python3.12"]


def test_a_later_python_steps_in_for_one_that_can_make_no_environment(checkout: Checkout) -> None:
    checkout.provide_built("python3.12", able=False)
    checkout.provide_built("python3")
    assert "taking" not in checkout.run()
    assert checkout.noted("taken") == ["python3"]


def test_the_first_python_is_named_when_none_can_make_an_environment(checkout: Checkout) -> None:
    checkout.provide("python3.12", BARE_PYTHON)
    checkout.provide_built("python3", able=False)
    output = checkout.run()
    assert checkout.status == 1
    assert f"{checkout.bin}/python3.12 lacks the venv module" in output
    assert "apt-get install python3.12-venv" in output


def test_the_python_that_is_asked_for_is_taken_untried(checkout: Checkout) -> None:
    checkout.provide_built("python3.12")
    checkout.provide_built("python3.11")
    checkout.provide_built("../else where")
    checkout.environment["VALERIX_PYTHON"] = f"{checkout.home}/else where"
    assert "taking" not in checkout.run()
    assert checkout.noted("taken") == ["else where"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (OLD_PYTHON, "is not Python 3.11 or newer"),
        ("#!/nowhere\n", "is not Python 3.11 or newer"),
        (BARE_PYTHON, "lacks the venv module"),
    ],
    ids=["old", "broken", "bare"],
)
def test_a_python_that_is_asked_for_and_useless_is_named(
    checkout: Checkout, script: str, expected: str
) -> None:
    checkout.provide_built("python3")
    checkout.provide("chosen", script)
    checkout.environment["VALERIX_PYTHON"] = f"{checkout.bin}/chosen"
    output = checkout.run()
    assert checkout.status == 1
    assert f"{checkout.bin}/chosen" in output
    assert expected in output
    assert checkout.noted("taken") == []
    assert not (checkout.root / ".venv").exists()


def test_a_folder_one_may_not_write_to_is_named(
    ready: Checkout, without_privileges: dict[str, Any]
) -> None:
    ready.root.chmod(
        stat.S_IRUSR | stat.S_IXUSR | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH
    )
    output = ready.run("up", **without_privileges)
    ready.root.chmod(0o755)
    assert ready.status == 1
    assert f"cannot write to {ready.root}" in output
    assert ready.syncs() == []


def test_the_locks_hold_hashes_and_no_addresses() -> None:
    for name in ("requirements", "requirements-dev", "requirements-bootstrap"):
        text = (ROOT / f"{name}.lock").read_text()
        assert "://" not in text, name
        assert "/" not in text, name
        pinned = [line for line in text.splitlines() if line and not line.startswith(" ")]
        assert pinned
        assert all("==" in line and line.endswith("\\") for line in pinned), name


def test_tests_run_on_the_versions_that_are_shipped() -> None:
    shipped, tested = (
        {
            line.split(" ")[0]
            for line in (ROOT / name).read_text().splitlines()
            if not line.startswith(" ")
        }
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert shipped <= tested
