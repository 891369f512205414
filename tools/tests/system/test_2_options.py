# SPDX-License-Identifier: LGPL-2.1-or-later
"""The options of xl migrate, and the commands that go to the stock xl."""

import contextlib
import json

from test_1_moves import assert_moved
from test_3_errors_before_the_go import without_our_xl
from world import TAKES_LONG, Skip, on_request

STOCK = "/usr/sbin/xl"


def config_of(world, host, name):
    text = world.lab.run(host, ["xl", "list", "-l", name]).stdout
    return json.loads(text)[0]["config"]


def monitors(world, host):
    """The daemons that watch over domains: all xl processes that still run."""
    return world.lab.run(host, "ps -C xl -o args --no-headers",
                         check=False).stdout.split("\n")[:-1]


@on_request(TAKES_LONG)
def test_p_leaves_it_paused(world):
    guest = world.pattern(memory=32).start("a")
    world.move(guest, "-p", receive_options="-p")
    assert world.is_paused("b", guest.name)
    assert guest.route() == ["a"], "it has run at the destination"
    world.lab.run("b", ["xl", "unpause", guest.name])
    assert_moved(world, guest, "a", "b")


def test_a_trace_of_both_ends_is_joined(world):
    """One command says what the guest's faults were spent on."""
    if world.lab.run("a", "command -v python3", check=False).returncode:
        raise Skip("the hosts have no python3")
    guest = world.pattern(memory=64, rate="max", check="max").start("a")
    world.move(guest, "--trace /root/move", receive_options="--trace /root/move")
    command = "xl-migrate-trace /root/move --host xen-b"
    found = json.loads(world.lab.run("a", f"{command} --json").stdout)
    assert found["clock"]["joined"] and found["clock"]["error_ms"] >= 0, found
    assert found["faults"] > 0 and found["whole"] > 0, found
    for point in ("stopped", "state_sent", "go_heard", "runs"):
        assert found["stop"][point] >= 0, found["stop"]
    text = world.lab.run("a", command).stdout
    assert "The 99th percentile comes from: " in text, text
    pfn = hex(found["slowest"][0]["pfn"])
    text = world.lab.run("a", f"{command} --pfn {pfn}").stdout
    assert f"The fault on page {pfn}: " in text, text
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_D_keeps_the_number(world):
    for _ in range(2):
        world.pattern(name="before", memory=16).start("a", "-p")
        world.lab.run("a", ["xl", "destroy", "before"])
    guest = world.pattern(memory=32).start("a")
    number = world.domid("a", guest.name)
    world.move(guest, "-D")
    assert world.domid("b", guest.name) == number
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_C_sends_another_configuration(world):
    guest = world.pattern(memory=32).start("a")
    assert config_of(world, "a", guest.name).get("on_poweroff") != "preserve"
    world.lab.run("a", f"sed 'a on_poweroff = \"preserve\"' "
                       f"{guest.config_file} > /root/other.cfg")
    world.move(guest, "-C /root/other.cfg")
    assert config_of(world, "b", guest.name)["on_poweroff"] == "preserve"
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_a_check_touches_nothing(world):
    """The table says what is in the way, if anything is."""
    guest = world.pattern(memory=32).start("a")
    for command in ("xl -N migrate --postcopy", "xl migrate --postcopy --check"):
        done = world.lab.run("a", f"{command} {guest.name} xen-b")
        assert "there  paging        ok" in done.stdout, done
        assert "there  cpumask       ok" in done.stdout, done
        assert "both   cpu           ok" in done.stdout, done
        assert "both   device-model  ok" in done.stdout, done
        assert " no " not in done.stdout, done
    world.lab.run("a", ["xl", "pause", guest.name])
    done = world.lab.run("a", f"xl -N migrate --postcopy {guest.name} xen-b",
                         check=False)
    assert done.returncode == 1 and "it is paused" in done.stdout, done
    world.lab.run("a", ["xl", "unpause", guest.name])
    assert not world.domains("b"), world.domains("b")
    guest.assert_runs()
    world.move(guest)
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_a_receiver_goes_by_its_policy(world):
    """The processes of a listener; a guest that it refuses runs on at its source."""
    guest = world.pattern(memory=32).start("a")
    policy = "/root/policy.conf"
    world.lab.run("b", f"cat > {policy}", input='names = [ "other*" ]\n')
    migration = world.migrate(guest, receive_options=f"--policy {policy}")
    migration.expect_failure("runs on here", status=1)
    migration.receiver.wait_output("no line of names allows that")
    world.lab.run("b", f"cat > {policy}",
                  input=f'names = "{guest.name}"\nmemory = 64\n')
    world.move(guest, receive_options=f"--policy {policy}")
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_a_plain_migrate_by_the_file_of_defaults(world):
    """As cluster managers call xl: with postcopy where both ends can, and the stock way
    where the other host does not have this package."""
    world.lab.run("a", "cat > /etc/xen/xl-postcopy.conf",
                  input='migrate = "auto"\nlink_timeout = 90\n')
    try:
        guest = world.pattern(memory=32).start("a")
        done = world.lab.run("a", ["xl", "migrate", guest.name, "xen-b"],
                             timeout=400)
        assert "with postcopy (auto)" in done.stderr, done
        assert "Migration complete" in done.stderr, done
        guest.host = "b"
        assert_moved(world, guest, "a", "b")
        world.move(guest)
        with without_our_xl(world, "b"):
            done = world.lab.run("a", ["xl", "migrate", guest.name, "xen-b"],
                                 timeout=400)
        assert "no postcopy support" in done.stderr, done
        assert "without it, then" in done.stderr, done
        guest.host = "b"
        guest.assert_runs()
    finally:
        world.lab.run("a", "rm /etc/xen/xl-postcopy.conf")


@contextlib.contextmanager
def global_config(world, host, lines):
    """With these lines at the end of the host's xl.conf."""
    conf = "/etc/xen/xl.conf"
    world.lab.run(host, f"cp {conf} /root/xl.conf.kept; cat >> {conf}", input=lines)
    try:
        yield
    finally:
        world.lab.run(host, f"cp /root/xl.conf.kept {conf}")


@on_request(TAKES_LONG)
def test_processors_by_the_destinations_xl_conf(world):
    """A receiver uses this setting as the stock xl does: it refuses a guest that may use
    none of the processors."""
    guest = world.pattern(memory=32).start("a")
    for line, said in (('vm.cpumask = "40"', "may use none of these"),
                       ('vm.hvm.cpumask = "40"', "may use none of these"),
                       ('vm.cpumask = "node:77"', "no such NUMA node")):
        with global_config(world, "b", line + "\n"):
            migration = world.migrate(guest)
            migration.expect_failure("runs on here", status=1)
            migration.receiver.wait_output(said)
            guest.assert_runs()
    with global_config(world, "b", 'vm.pv.cpumask = "40"\nvm.hvm.cpumask = "0"\n'):
        world.move(guest)
    affinity = config_of(world, "b", guest.name)["b_info"]["vcpu_hard_affinity"]
    assert affinity and all(cpus == [0] for cpus in affinity), affinity
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_a_receiver_waits_for_another_xl_that_makes_a_domain(world):
    """The receiver waits for the lockfile of xl.conf, if memory may come from dom0."""
    if world.lab.run("b", "command -v python3", check=False).returncode:
        raise Skip("the hosts have no python3")
    guest = world.pattern(memory=32).start("a")
    lines = 'autoballoon = "on"\nlockfile = "/root/xl.lock"\n'
    hold = ("import fcntl, signal; file = open('/root/xl.lock', 'w'); "
            "fcntl.lockf(file, fcntl.LOCK_EX); print('held', flush=True); "
            "signal.pause()")
    with global_config(world, "b", lines):
        world.lab.run("b", f'nohup python3 -c "{hold}" > /root/held 2>&1 & '
                           "echo $! > /root/holder; "
                           "until grep -q held /root/held; do sleep 0.1; done")
        migration = world.migrate(guest)
        migration.receiver.wait_output("which makes a domain and has locked "
                                       "/root/xl.lock")
        assert not world.domains("b"), world.domains("b")
        world.lab.run("b", "kill $(cat /root/holder)")
        migration.expect_success()
    assert_moved(world, guest, "a", "b")


@on_request(TAKES_LONG)
def test_without_e_a_daemon_restarts_and_buries_it(world):
    guest = world.pattern(memory=32).start("a")
    guest.write_config("b")
    world.move(guest)
    guest.wait_beat()
    number = world.domid("b", guest.name)
    since = world.lab.console.now()
    world.lab.run("b", ["xl", "reboot", guest.name])
    guest.wait(r"^\(d\d+\) filled", since, 120)
    guest.wait_beat()
    assert world.domid("b", guest.name) != number
    assert not monitors(world, "a"), monitors(world, "a")
    world.lab.run("b", ["xl", "shutdown", guest.name])
    world.until(lambda: not world.domains("b"),
                lambda: f"it is not buried: {world.domains('b')}")


@on_request(TAKES_LONG)
def test_e_and_debug_reach_the_receiver_over_ssh(world):
    guest = world.pattern(memory=32).start("a")
    migration = world.migrate(guest, "-e --debug", transport="ssh")
    migration.expect_success()
    assert '"c_info"' in migration.output, migration.output
    world.until(lambda: not monitors(world, "b"),
                lambda: f"with -e there is {monitors(world, 'b')}")
    assert_moved(world, guest, "a", "b")


def test_wrong_options_are_refused(world):
    for options in ("--precopy-iterations -1 x y", "--no-such-option x y",
                    "--precopy-dirty-threshold many x y", "x", ""):
        done = world.lab.run("a", f"xl migrate --postcopy {options}",
                             check=False)
        assert done.returncode != 0, options
        assert done.stderr, options
    done = world.lab.run("a", "xl migrate --postcopy nobody xen-b",
                         check=False)
    assert done.returncode != 0 and "nobody" in done.stderr, done
    for words in ("-N migrate-abort", "-vN migrate-abort",
                  "-x migrate --postcopy", "--postcopy migrate --postcopy"):
        done = world.lab.run("a", f"xl {words} nobody xen-b", check=False)
        assert done.returncode != 0 and "nothing was done" in done.stderr, done


def test_help_names_the_commands_of_both(world):
    for words, ours in (("help", "migrate-recover"),
                        ("help migrate", "--precopy-iterations"),
                        ("migrate -h", "--precopy-iterations")):
        theirs = world.lab.run("a", f"{STOCK} {words}").stdout
        both = world.lab.run("a", f"xl {words}").stdout
        assert theirs in both and ours in both, both


def test_other_commands_are_the_stock_xls(world):
    found = world.lab.run("a", "command -v xl").stdout.strip()
    assert found != STOCK, f"{found} is the stock xl: what is tested here?"
    for command in ("list", "info -n", "vcpu-list 0", "-f list -l",
                    "no-such-command", "destroy nobody", "migrate",
                    "migrate nobody xen-b"):
        ours, stock = (world.lab.run("a", f"{xl} {command}", check=False)
                       for xl in ("xl", STOCK))
        # The times of the second continue those of the first.
        if command in ("list", "vcpu-list 0", "-f list -l"):
            ours.stdout = stock.stdout = bool(ours.stdout)
        assert (ours.returncode, ours.stdout, ours.stderr) == \
            (stock.returncode, stock.stdout, stock.stderr), \
            f"xl {command}: {ours} and not {stock}"


@on_request(TAKES_LONG)
def test_a_stock_migration_passes_through(world):
    guest = world.pattern(memory=32, rate=100).start("a")
    world.move(guest, postcopy=False, transport="ssh")
    assert_moved(world, guest, "a", "b")
