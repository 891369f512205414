# SPDX-License-Identifier: LGPL-2.1-or-later
# What is built, and from which sources. Sources are found by their directory.

GUEST_SRCS := $(wildcard $(S)/tools/libs/guest/*.c $(S)/tools/libs/guest/*/*.c)
LIGHT_SRCS := $(wildcard $(S)/tools/libs/light/*.c $(S)/tools/libs/light/*/*.c)
# TLS and RDMA are rooms of their own, which know nothing of libxl.
WIRE_SRCS := $(wildcard $(S)/tools/xl/tls/*.c $(S)/tools/xl/rdma/*.c)
XL_SRCS := $(wildcard $(S)/tools/xl/*.c $(S)/tools/xl/evacuation/*.c) $(WIRE_SRCS)
UNIT_SRCS := $(wildcard $(S)/tools/tests/unit/test_*.c)
FAKE_SRCS := $(wildcard $(S)/tools/tests/unit/fake_*.c) \
             $(wildcard $(S)/tools/tests/fake/*.c)

# Files of xl that need no libxl: the tests link them.
PURE_SRCS := $(addprefix $(S)/tools/xl/,save_header.c rate.c policy_option.c \
               migrate_view.c options.c part_commands.c transport_command.c \
               watcher.c exit_status.c prologue.c \
               receive_policy.c finding.c cpu_list.c creation_lock.c \
               image_lock.c terminal.c)
PURE_SRCS += $(WIRE_SRCS) $(addprefix $(S)/tools/xl/,connection.c visitor.c \
               wishes.c pass_fd.c tcp.c carry.c carrier.c \
               rdma_carrier.c rdma_connection.c transport.c)
PURE_SRCS += $(addprefix $(S)/tools/xl/evacuation/,evacuation.c placement.c share.c \
               selection.c stop_estimate.c room.c child.c view.c view_json.c show.c conductor.c)

objects = $(patsubst $(S)/%.c,$(O)/$(2)/%.o,$(1))
GUEST_OBJS := $(call objects,$(GUEST_SRCS),obj)
LIGHT_OBJS := $(call objects,$(LIGHT_SRCS),obj)
# xl contains some files of the library as well, because the library does not export
# their functions.
XL_LIGHT_SRCS := $(addprefix $(S)/tools/libs/light/,json_bounds.c utf8.c)
XL_OBJS := $(call objects,$(XL_SRCS) $(XL_LIGHT_SRCS),obj)

# The sources that the tests link: fakes stand in for the hypervisor's module and for
# libxl.
TESTED_SRCS := $(filter-out $(S)/tools/libs/guest/hypervisor/xen%,$(GUEST_SRCS)) \
               $(LIGHT_SRCS) $(PURE_SRCS) $(FAKE_SRCS)

# One shared library, with the guest layer inside. The major number changes
# when a program that was linked to it before would no longer work, the minor
# one when something is added.
LIB_MAJOR := 1
LIB_MINOR := 0
LIB_NAME := libxenlight-postcopy.so
LIB_SONAME := $(LIB_NAME).$(LIB_MAJOR)
LIB_FILE := $(LIB_SONAME).$(LIB_MINOR)
LIB := $(O)/$(LIB_FILE)
LIB_MAP := $(S)/tools/libs/light/libxenlight-postcopy.map
XL := $(O)/xl
XL_FRONT := $(O)/xl-postcopy
