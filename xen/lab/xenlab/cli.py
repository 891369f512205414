# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line: xen/lab/lab."""

import argparse
import shlex
import subprocess
import sys

from . import image, open_lab
from .config import HOSTS, LabError, say


def cmd_image(_lab, _args):
    print(image.image())


def cmd_sysroot(_lab, _args):
    print(image.sysroot())


def cmd_up(lab, args):
    lab.up(fresh=args.fresh, install=args.install, snapshot=not args.boot)


def cmd_down(lab, _args):
    lab.down()


def cmd_install(lab, args):
    lab.install(args.dir)


def cmd_run(lab, args):
    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    if not words:
        raise LabError("run: no command given")
    command = words[0] if len(words) == 1 else shlex.join(words)
    return lab.popen(args.host, command).wait()


def cmd_ssh(lab, args):
    argv = lab._ssh(args.host)
    return subprocess.run(argv[:1] + ["-t"] + argv[1:],
                          cwd=lab.state).returncode


def cmd_put(lab, args):
    lab.put(args.host, args.file, args.dest)


def cmd_get(lab, args):
    lab.get(args.host, args.file, args.dest)


def cmd_link(lab, args):
    lab.link(args.what == "up")


def cmd_kill(lab, args):
    lab.kill(args.host)


def cmd_restart(lab, args):
    lab.restart(args.host)


def cmd_console(lab, args):
    if args.follow:
        lines = lab.console.follow(args.since)
    else:
        lines = lab.console.lines(args.since)
    for line in lines:
        if args.host in (None, line.host):
            print(line, flush=args.follow)


def cmd_report(lab, args):
    print(lab.failure_report(args.lines))


def cmd_status(lab, _args):
    status = lab.status()
    print("up" if status["up"] else "down", status["state"],
          f"{status['memory']} MiB a host, {status['accel']}")
    for host, port in status["hosts"].items():
        print(f"host {host}:", f"ssh port {port}" if port else "not running")
    return 0 if all(status["hosts"].values()) else 1


def parser():
    top = argparse.ArgumentParser(
        prog="lab", description="Two real Xen hosts in QEMU.")
    top.add_argument("--state", metavar="DIR",
                     help="which lab: its state directory (XEN_LAB_STATE)")
    subs = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name, function, help_, host=False):
        sub = subs.add_parser(name, help=help_, description=help_)
        sub.set_defaults(function=function)
        sub.add_argument("--state", metavar="DIR", default=argparse.SUPPRESS,
                         help=argparse.SUPPRESS)
        if host:
            sub.add_argument("host", choices=HOSTS)
        return sub

    add("image", cmd_image, "build the dom0 image; print its directory")
    add("sysroot", cmd_sysroot, "build the sysroot; print its directory")
    sub = add("up", cmd_up, "bring both hosts up")
    sub.add_argument("--fresh", action="store_true",
                     help="with new hosts, if the lab is up already")
    sub.add_argument("--boot", action="store_true",
                     help="boot them instead of restoring booted ones")
    sub.add_argument("--install", metavar="DIR",
                     help="then copy this DESTDIR tree into both")
    add("down", cmd_down, "take both hosts down")
    sub = add("install", cmd_install, "copy a DESTDIR tree into both hosts")
    sub.add_argument("dir")
    sub = add("run", cmd_run, "run a command in a host", host=True)
    sub.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD",
                     help="one word is for the host's shell")
    add("ssh", cmd_ssh, "a shell in a host", host=True)
    sub = add("put", cmd_put, "copy a file into a host", host=True)
    sub.add_argument("file")
    sub.add_argument("dest")
    sub = add("get", cmd_get, "copy a file out of a host", host=True)
    sub.add_argument("file")
    sub.add_argument("dest")
    sub = add("link", cmd_link, "plug the hosts' network in or out")
    sub.add_argument("what", choices=("up", "down"))
    add("kill", cmd_kill, "cut a host's power", host=True)
    add("restart", cmd_restart, "start a killed host afresh", host=True)
    sub = add("console", cmd_console, "print the stamped console log")
    sub.add_argument("-f", "--follow", action="store_true")
    sub.add_argument("--since", type=float, metavar="T",
                     help="from this time of the log's clock on")
    sub.add_argument("--host", choices=(*HOSTS, "lab"))
    sub = add("failure-report", cmd_report, "the ends of all logs")
    sub.add_argument("--lines", type=int, default=80)
    add("status", cmd_status, "what is up")
    return top


def main():
    args = parser().parse_args()
    try:
        return args.function(open_lab(args.state), args) or 0
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except (LabError, OSError) as error:
        say(error)
        return 1
    except KeyboardInterrupt:
        return 130
