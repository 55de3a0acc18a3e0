# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""`make install` puts everything in its place, and others can build with it."""

import os
import pathlib
import subprocess

import pytest

UNITS = {"anybind-agent.service", "anybind-agent.socket", "anybind-register@.service"}
ROOT = pathlib.Path(__file__).resolve().parents[2]

PROGRAM = r"""
#include <anybind.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int show(const struct anybind_statement *statement, void *data)
{
	(void)data;
	puts(statement->text);
	return 0;
}

int main(void)
{
	static const char text[] = "bind web tcp 192.0.2.9/24 80\n", bad[] = "bind web\n";
	struct anybind_report *report = anybind_report_new();
	struct anybind_ruleset *ruleset = NULL;

	puts(anybind_version());
	if (anybind_ruleset_parse(&ruleset, bad, strlen(bad), "bad", report) != -EINVAL ||
	    anybind_report_count(report) != 1 || anybind_report_get(report, 0)->line != 1)
		return 1;
	if (anybind_ruleset_parse(&ruleset, text, strlen(text), "text", NULL) < 0)
		return 2;
	anybind_ruleset_each(ruleset, show, NULL);
	anybind_ruleset_free(ruleset);
	anybind_report_free(report);
	return 0;
}
"""


def run(*words, cwd=ROOT, **env):
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{words}: {done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Where /opt/anybind is installed under DESTDIR, from a build of its own."""
    folder = tmp_path_factory.mktemp("install")
    run(
        *("make", "install", f"BUILD={folder}/build", f"DESTDIR={folder}/root"),
        PREFIX="/opt/anybind",
    )
    return folder / "root" / "opt" / "anybind"


def library_folder(installed):
    """Where ld.so and pkg-config look, whatever Meson takes the system for."""
    return installed / "lib"


def pkg_config(installed, *words):
    pkgconfig = library_folder(installed) / "pkgconfig"
    root = installed.parents[1]
    # DESTDIR is no place to use it from: the paths are those it will have.
    flags = run(
        *("pkg-config", f"--define-variable=prefix={installed}", *words, "libanybind"),
        PKG_CONFIG_PATH=str(pkgconfig),
    )
    assert str(root) in flags
    return flags.split()


def test_everything_is_there(installed):
    commands = {page.name for page in (ROOT / "cli").glob("cmd_*.c")}
    pages = {page.name for page in installed.glob("share/man/man8/*.8")}
    assert pages == {"anybind.8"} | {
        name.replace("_", "-").replace("cmd-", "anybind-").replace(".c", ".8") for name in commands
    }
    for file in ("sbin/anybind", "include/anybind.h", "share/man/man5/anybind-rules.5"):
        assert (installed / file).is_file(), file
    assert os.access(installed / "sbin/anybind", os.X_OK)
    for page in ("man5/anybind-policy.5", "man7/anybind-sockets.7", "man7/anybind-systemd.7"):
        assert (installed / "share/man" / page).is_file(), page
    units = installed / "lib/systemd/system"
    assert {unit.name for unit in units.iterdir()} == UNITS
    for unit in UNITS - {"anybind-agent.socket"}:
        assert "\nExecStart=/opt/anybind/sbin/anybind " in (units / unit).read_text()
    library = library_folder(installed)
    assert (library / "libanybind.a").is_file()
    assert (library / "libanybind.so").resolve().name.startswith("libanybind.so.0.")
    assert (library / "libanybind.so.0").is_symlink()
    assert (library / "anybind/libanybind-preload.so").is_file()
    # Nothing of the tests or the build.
    assert {path.name for path in (installed / "sbin").iterdir()} == {"anybind"}
    assert not (installed / "bin").exists()


def test_installed_program_finds_what_it_preloads(installed):
    """In the program is the place that the library has without DESTDIR."""
    library = library_folder(installed) / "anybind/libanybind-preload.so"
    place = "/" + str(library.relative_to(installed.parents[1]))
    assert place.encode() + b"\0" in (installed / "sbin/anybind").read_bytes()


def test_installed_program_runs(installed):
    said = run(
        installed / "sbin/anybind", "--version", LD_LIBRARY_PATH=str(library_folder(installed))
    )
    assert said.split() == ["anybind", "0.1.0"]


@pytest.mark.parametrize("static", [False, True])
def test_program_against_the_library(installed, tmp_path, static):
    source, binary = tmp_path / "program.c", tmp_path / "program"
    source.write_text(PROGRAM)
    flags = pkg_config(installed, "--cflags", "--libs", *(["--static"] if static else []))
    if static:
        # The rest of the system is linked as ever.
        flags = [flag if flag != "-lanybind" else "-l:libanybind.a" for flag in flags]
    run("gcc", "-Wall", "-Wextra", "-Werror", "-o", binary, source, *flags)
    said = run(binary, LD_LIBRARY_PATH="" if static else str(library_folder(installed)))
    assert said.splitlines() == ["0.1.0", "service web", "bind web tcp 192.0.2.0/24 80"]


def test_header_alone(installed, tmp_path):
    """It includes what it needs, in C and in C++."""
    source = tmp_path / "header.c"
    source.write_text("#include <anybind.h>\n#include <anybind.h>\n")
    for words in (["gcc", "-std=c11"], ["clang", "-x", "c++", "-std=c++11"]):
        run(
            *words,
            *("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"),
            *("-I", installed / "include", source),
        )


def test_pages_and_completion(installed):
    page = run("mandoc", "-T", "utf8", installed / "share/man/man8/anybind-register.8")
    assert "--listen-fds" in page.replace("\b", "")
    script = f"""
        . /usr/share/bash-completion/bash_completion
        . {installed}/share/bash-completion/completions/anybind
        COMP_WORDS=(anybind exp) COMP_CWORD=1 COMP_LINE='anybind exp' COMP_POINT=11
        complete -p anybind
        $(complete -p anybind | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        printf '%s\\n' "${{COMPREPLY[@]}}"
        """
    assert run("bash", "-c", script).split()[-1] == "explain"


def test_uninstall_takes_it_all_away(installed):
    """The last test here."""
    build = installed.parents[2] / "build"
    run("make", "uninstall", f"BUILD={build}")
    assert [path for path in installed.rglob("*") if not path.is_dir()] == []
