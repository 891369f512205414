"""After the go the guest is the destination's, whatever happens."""

from moving import POSTCOPY


def assert_handed_over(world, guest, migration):
    """The source keeps the guest's memory and never lets it run."""
    away = f"{guest.name}--migratedaway"
    assert list(world.domains("a")) == [away], world.domains("a")
    # xl list: "---s--" is shut down, as a suspended domain is.
    assert world.domains("a")[away][3] == "s", world.domains("a")
    assert list(world.domains("b")) == [guest.name], world.domains("b")
    # That the source does not run it can only be seen for a while.
    beats = guest.beats(since=migration.ended)
    assert not [beat for beat in beats if beat.host == "a"], beats
    guest.assert_ran_once("a", "b")
    guest.assert_sound()


