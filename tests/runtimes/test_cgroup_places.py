"""Where our own cgroup is, as /proc tells it: each way in which a machine may be set up."""

import os

import pytest

from trio_supervisor.system.cgroup_places import V2, members, own_groups, parse

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"""


@pytest.mark.parametrize(
    ("mountinfo", "membership", "found"),
    [
        pytest.param(V2_MOUNT, "0::/user.slice/a.scope\n", {V2: "/sys/fs/cgroup/user.slice/a.scope"}, id="v2"),
        pytest.param(V2_MOUNT, "0::/\n", {V2: "/sys/fs/cgroup"}, id="root"),
        pytest.param(
            HYBRID,
            "8:pids:/\n4:memory:/x/y\n1:cpu,cpuacct:/c\n0::/\n",
            {
                V2: "/sys/fs/cgroup/unified",
                "memory": "/sys/fs/cgroup/memory/x/y",
                "pids": "/sys/fs/cgroup/pids",
                "cpu": "/sys/fs/cgroup/cpu,cpuacct/c",
                "cpuacct": "/sys/fs/cgroup/cpu,cpuacct/c",
            },
            id="hybrid",
        ),
        pytest.param(
            "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory",
            "4:memory:/docker/abc/inner\n",
            {"memory": "/sys/fs/cgroup/memory/inner"},
            id="a part is mounted",
        ),
        pytest.param(
            "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory",
            "4:memory:/docker/abcdef\n",
            {},
            id="another part is mounted",
        ),
        pytest.param(V2_MOUNT, "0::/../other\n", {}, id="outside of our namespace"),
        pytest.param(V2_MOUNT.replace(" / ", " /../.. "), "0::/\n", {}, id="mounted outside of our namespace"),
        pytest.param(V2_MOUNT, "4:memory:/\n", {}, id="nothing but version 1"),
        pytest.param("", "0::/\n", {}, id="not mounted"),
        pytest.param(V2_MOUNT.replace("/cgroup ", "/c\\040g "), "0::/a\n", {V2: "/sys/fs/c g/a"}, id="a space"),
        pytest.param(
            V2_MOUNT + "\n" + V2_MOUNT.replace("/sys/fs/cgroup", "/mnt"), "0::/a\n", {V2: "/mnt/a"}, id="twice"
        ),
    ],
)
def test_our_own_group_is_found_where_a_mount_shows_it(mountinfo: str, membership: str, found: dict[str, str]) -> None:
    assert parse(mountinfo, membership) == found


def test_we_are_in_each_group_that_is_called_our_own() -> None:
    found = own_groups()

    assert set(found) <= {V2, "memory", "pids"}
    assert all(os.getpid() in members(path) for path in found.values())


def test_a_group_that_is_not_there_has_no_members() -> None:
    assert members("/nowhere") == []
