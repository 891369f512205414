# SPDX-License-Identifier: LGPL-2.1-or-later
# Flags for all that runs on a host; the test guests have their own.

OPTFLAGS = -O2 -g
# GCC 10 warns of missing initializers also where the others are named.
WARNINGS = -Wall -Wextra -Wmissing-prototypes -Wsign-compare \
           -Wwrite-strings -Wno-missing-field-initializers -Werror
HARDENING = -fstack-protector-strong -D_FORTIFY_SOURCE=2
HARDENING_LD = -Wl,-z,relro -Wl,-z,now

# The libxl interface as of Xen 4.13: in 4.14 and all later releases.
DEFINES = -D_GNU_SOURCE -DLIBXL_API_VERSION=0x041300
INCLUDES = -I$(S)/tools/libs/guest -I$(S)/tools/libs/light

COMMON_CFLAGS = -std=gnu11 $(WARNINGS) $(DEFINES) $(INCLUDES) -pthread \
                $(SYSROOT_FLAGS)
# The libxl interface of the host's Xen; the header has the default.
XEN_DIRECTORIES = -DXEN_CONFIG_DIR='"$(SYSCONFDIR)/xen"' \
                  -DXEN_RUN_DIR='"$(LOCALSTATEDIR)/run/xen"' \
                  -DXEN_LIB_DIR='"$(LOCALSTATEDIR)/lib/xen"' \
                  -DXEN_LOG_DIR='"$(LOCALSTATEDIR)/log/xen"' \
                  -DXEN_LOCK_DIR='"$(LOCALSTATEDIR)/lock"' \
                  -DXL_TLS_DIRECTORY='"$(SYSCONFDIR)/pki/xen-postcopy"'
ALL_CFLAGS = $(COMMON_CFLAGS) $(XEN_DIRECTORIES) $(OPTFLAGS) $(HARDENING) $(USER_CFLAGS)
ALL_LDFLAGS = $(SYSROOT_FLAGS) $(HARDENING_LD) -pthread -Wl,--as-needed \
              $(USER_LDFLAGS)

PROGRAM_CFLAGS = -fPIE
PROGRAM_LDFLAGS = -pie
# Only libxl_* names leave the library, so none inside it is ever replaced.
# The library is never unloaded, because one of its threads may still be ending.
LIBRARY_CFLAGS = -fPIC -fno-semantic-interposition
LIBRARY_LDFLAGS = -shared -Wl,-z,defs -Wl,-z,nodelete
LIBDIR ?= $(PREFIX)/lib
# Of the Xen that this is built with, as its libraries have it in their names.
XEN_VERSION ?= $(shell pkg-config --modversion xenlight | cut -d. -f1-2)
# Our builds of xl, for the Xen of each version, and what else only this package uses.
BUILDSDIR = $(PREFIX)/lib/xen-postcopy
SBINDIR ?= $(PREFIX)/sbin
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
SYSCONFDIR ?= /etc
LOCALSTATEDIR ?= /var
# A program finds the library also in a directory that the system does not search.
SYSTEM_LIBDIRS = $(foreach dir,/lib /usr/lib,$(dir) $(dir)64 $(dir)32 $(dir)x32 \
                   $(dir)/%-linux-gnu $(dir)/%-linux-gnux32)
# xl has a library of its own beside it: the one that the system finds may have been
# built for another Xen.
XL_RPATH_FLAGS = -Wl,-rpath,'$$ORIGIN'
INSTALLED_LDFLAGS = $(ALL_LDFLAGS) $(PROGRAM_LDFLAGS) $(RPATH_FLAGS)
RPATH_FLAGS = $(if $(filter $(SYSTEM_LIBDIRS),$(LIBDIR)),,\
                -Wl,-rpath,$(LIBDIR))

# The unit tests: everything is built once more, with the sanitizers.
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all \
           -fno-omit-frame-pointer
# The tests keep beside themselves what hosts keep in /run.
TEST_DEFINES = -DLM_MEMO_PARENT='"$(O)/tests"' \
               -DLM_MONITORS='"$(O)/tests/qmp-libxl-"' \
               -DLM_SAVED_STATES='"$(O)/tests/qemu-save."'
TEST_INCLUDES = -I$(S)/tools/xl -I$(S)/tools/tests/unit -I$(S)/tools/tests/fake
TEST_FLAGS = $(TEST_DEFINES) $(TEST_INCLUDES) $(TEST_CFLAGS) $(USER_CFLAGS)
SAN_CFLAGS = $(COMMON_CFLAGS) -O1 -g $(SANITIZE) $(TEST_FLAGS)
SAN_LDFLAGS = $(SANITIZE) -pthread $(WRAP_LDFLAGS) $(USER_LDFLAGS)
# fake_memory.c wraps malloc() and its family. -u: libraries that come after the archive
# with the wrappers may need them first.
WRAP_LDFLAGS = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free \
               -Wl,-u,__wrap_malloc

# The thread sanitizer finds races. It does not know the fences of the paging ring, of
# which gcc warns: its reports about the ring's two functions are ignored.
TSAN = -fsanitize=thread -fno-omit-frame-pointer -Wno-tsan
TSAN_CFLAGS = $(COMMON_CFLAGS) -O1 -g $(TSAN) $(TEST_FLAGS)
TSAN_LDFLAGS = $(TSAN) -pthread $(WRAP_LDFLAGS) $(USER_LDFLAGS)

# For valgrind, and for bindings.
PLAIN_CFLAGS = $(COMMON_CFLAGS) -O1 -g $(TEST_FLAGS)
PLAIN_LDFLAGS = -pthread $(WRAP_LDFLAGS) $(USER_LDFLAGS)
FAKE_LIB_CFLAGS = $(PLAIN_CFLAGS) -fPIC

# The engine for measuring is built as it is installed.
BENCH_CFLAGS = $(ALL_CFLAGS) $(TEST_CFLAGS) $(TEST_INCLUDES)

# The fuzzers are built by a clang of any age, so its warnings are no errors.
FUZZ_CFLAGS = $(SAN_CFLAGS) -I$(S)/tools/tests/fuzz -Wno-error -fsanitize=fuzzer-no-link
FUZZ_LDFLAGS = $(SANITIZE) -fsanitize=fuzzer -pthread $(WRAP_LDFLAGS) \
               $(USER_LDFLAGS)
