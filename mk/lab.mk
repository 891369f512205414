# SPDX-License-Identifier: LGPL-2.1-or-later
# The lab: the same sources once more, for its dom0, and what runs between its hosts.

# XEN_LAB_SUITE=trixie, in the environment or for make: hosts of that release,
# and what is built for them. XEN_LAB_SUITE=bookworm,trixie: host a is of the
# first, b of the second.
LAB := $(S)/xen/lab/lab
LAB_SUITES := $(subst $(comma), ,$(XEN_LAB_SUITE))
LAB_O := $(S)/build/dom0$(XEN_LAB_SUITE:%=-%)
LAB_STAGE := $(S)/build/stage$(XEN_LAB_SUITE:%=-%)
LAB_STAGES := $(or $(LAB_SUITES:%=$(S)/build/stage-%),$(LAB_STAGE))

#? lab-build    all of it for the dom0 of the lab, in build/stage
.PHONY: lab-build
ifneq ($(word 2,$(LAB_SUITES)),)
lab-build:
	for suite in $(sort $(LAB_SUITES)); do \
	    $(MAKE) XEN_LAB_SUITE=$$suite lab-build || exit; done
else
lab-build:
	sysroot=$$($(LAB) sysroot) && \
	{ [ ! $(S)/configure -nt $(LAB_O)/config.mk ] && \
	  grep -q -s -x "SYSROOT = $$sysroot" $(LAB_O)/config.mk; } || \
	    $(S)/configure --output=$(LAB_O) --sysroot=$$sysroot
	$(MAKE) O=$(LAB_O) all test-tools
	rm -rf $(LAB_STAGE)
	$(MAKE) O=$(LAB_O) DESTDIR=$(LAB_STAGE) install
	$(MAKE) -C $(S)/xen/guests O=$(S)/build/guests
endif

CLEANED_LAB := $(LAB_O) $(LAB_STAGE)

# ---- tests ----

.PHONY: check-lab check-lab-other check-crosswise check-lab-versions check-guests \
        check-large check-intel check-pinned
#? check-lab    the tests between two real Xen hosts
check-lab: lab-build
	$(S)/tools/tests/system/run $(LAB_STAGES:%=--install %) $(LAB_TESTS)

# Some tests on the release whose packages have memory paging as they are.
OTHER_TESTS := there_and_back_again hvm_without_drivers_there_and_back \
               connection_cut_in_postcopy receiver_killed_in_postcopy \
               pinned_pages_go_along
#? check-lab-other  a few of them on another release
check-lab-other: deps
	$(MAKE) XEN_LAB_SUITE=bullseye check-lab \
	    LAB_TESTS='--state $(S)/build/check-lab-other $(OTHER_TESTS:%=--only %)'

# Moves between hosts of two releases, in both directions; CROSSWISE=FROM,TO names one.
CROSSWISE ?= bullseye,bookworm bookworm,bullseye
#? check-crosswise  from hosts of one release to another's
check-crosswise: deps
	for suites in $(CROSSWISE); do \
	    $(MAKE) XEN_LAB_SUITE=$$suites check-lab \
	        LAB_TESTS='--state $(S)/build/check-crosswise --only crosswise' || \
	    exit; done

# Hosts whose hypervisor is as packaged, without memory paging: what still works, and
# what xl tells a user. And tests on a hypervisor that the user names.
VERSIONS_TESTS := hypervisor_without_paging_is_refused \
                  images_go_both_ways_without_paging \
                  our_image_passes_the_stock_verifier_and_restores \
                  a_stock_migration_passes_through \
                  other_commands_are_the_stock_xls
#? check-lab-versions  between hosts of Debian 12 as packaged, without memory paging
#?              (ten minutes)
check-lab-versions: deps
	XEN_LAB_HYPERVISOR=packaged $(MAKE) XEN_LAB_SUITE=bookworm check-lab \
	    LAB_TESTS='--state $(S)/build/check-lab-packaged \
	        $(VERSIONS_TESTS:%=--only %)'
	$(S)/xen/lab/tests/test_lab.py --hosts NamedHypervisor

# Each of Debian's kernels, PVH and HVM, with few and many vCPUs: 24 guests there and
# back, in some half an hour.
#? check-guests  three kernels, PVH and HVM, 1 to 16 vCPUs (half an hour)
check-guests: lab-build
	$(S)/tools/tests/system/run $(LAB_STAGES:%=--install %) \
	    --state $(S)/build/check-guests --only pvh_linux --only hvm_linux $(LAB_TESTS)

# Guests with memory above 4 GiB, on two hosts that take 13 GiB of this machine's.
#? check-large  guests with memory above 4 GiB (takes 13 GiB of memory)
check-large: lab-build
	XEN_LAB_MEMORY=6656 $(S)/tools/tests/system/run \
	    $(LAB_STAGES:%=--install %) --state $(S)/build/check-large \
	    --only memory_above_4_gib

# A host with an Intel processor, in Bochs: it is alone, so guests move within it.
# INTEL_CPU: another processor that Bochs knows.
INTEL_TESTS ?= paging_works_as_expected local_
INTEL_CPU ?=
#? check-intel  moves within a host with an Intel processor, in Bochs (some twenty
#?              minutes; INTEL_CPU=corei7_skylake_x: with Page Modification Logging)
check-intel: deps
	$(S)/scripts/install-deps $(S)/xen/lab/packages.bochs
	$(MAKE) lab-build
	XEN_LAB_ACCEL=bochs XEN_LAB_BOCHS_CPU=$(INTEL_CPU) \
	    $(S)/tools/tests/system/run --install $(LAB_STAGE) \
	    --state $(S)/build/check-intel $(INTEL_TESTS:%=--only %) $(LAB_TESTS)

#? check-pinned  the tests with newer Linux kernels, ten times (hours)
check-pinned: deps
	$(MAKE) lab-build
	$(S)/tools/tests/system/run --install $(LAB_STAGE) --only pinned_pages \
	    --repeat 10

# Four guests move to and fro, with faults at moments of chance; check-all has five
# minutes of this.
SOAK_SECONDS ?= 7200
#? soak         four guests moved there and back for two hours, with faults
#?              (SOAK_SECONDS; SOAK_SEED=N: the same faults again)
.PHONY: soak
soak: lab-build
	SOAK_SECONDS=$(SOAK_SECONDS) $(S)/tools/tests/system/run \
	    $(LAB_STAGES:%=--install %) --state $(S)/build/soak --only a_soak

# ---- to watch, and to measure ----

.PHONY: demo bench bench-downtime bench-load bench-superpages
#? demo         a migration to watch; installs what it needs
demo: deps
	$(MAKE) lab-build
	$(S)/xen/lab/demo --install $(LAB_STAGE)

# Measures all comparisons in one run of some twenty minutes, with a report in
# build/bench. bench-downtime takes hours, for the stock xl's moves of large guests.
BENCH := $(S)/tools/tests/bench/bench --install $(LAB_STAGE) --to $(O)/bench
BENCH_REPEAT ?= 2
BENCH_MEMORY ?= 64
BENCH_OPTIONS ?=
#? bench-superpages  what pages of 4 KiB cost a guest that jumps: ten minutes
bench-superpages: deps
	$(MAKE) lab-build
	$(S)/tools/tests/bench/bench-superpages --install $(LAB_STAGE) \
	    --to $(O)/bench
#? bench        all that is compared, with a report: twenty minutes
#? bench-downtime  the same for larger and larger guests: hours
bench bench-downtime: deps
	$(S)/scripts/install-deps $(S)/scripts/packages.bench
	$(MAKE) lab-build
	$(if $(filter bench,$@),$(MAKE) bench-engine && $(MAKE) bench-qemu)
	$(BENCH) --repeat $(BENCH_REPEAT) --memory $(BENCH_MEMORY) \
	    $(if $(filter bench,$@),--engine $(O)/bench/engine.json \
	        --qemu $(O)/bench/qemu.json,--part downtimes) \
	    $(BENCH_OPTIONS)

# Its report is compared with one of its own kind.
LOAD_MEMORY ?= 192
LOAD_REPEAT ?= 1
#? bench-load   databases that serve while they move: an hour
bench-load: deps
	$(S)/scripts/install-deps $(S)/scripts/packages.bench
	$(MAKE) lab-build
	$(S)/tools/tests/bench/bench --install $(LAB_STAGE) --to $(O)/bench-load \
	    --part loads --load-memory $(LOAD_MEMORY) --repeat $(LOAD_REPEAT) \
	    --kept $(S)/docs/figures-load.json $(BENCH_OPTIONS)
