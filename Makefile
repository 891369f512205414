# SPDX-License-Identifier: LGPL-2.1-or-later
# make            build for this machine, in build/ (or in O=DIR)
# make demo       a migration between two real Xen hosts, to watch
# make check      the tests: unit tests, then those between two hosts
# make check-all  the same, with those that take long
# make help       the rest

S := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
O ?= build
override O := $(abspath $(O))

# Targets that work before anything is installed or configured.
BARE_GOALS := demo deps format check-format clean distclean help docs man coverage \
              check check-all check-lab check-lab-other check-crosswise \
              check-lab-versions check-guests check-large check-intel check-pinned \
              bench bench-downtime lab-build \
              deb check-deb rpm hypervisor check-hypervisor check-versions
ifneq ($(filter-out $(BARE_GOALS),$(or $(MAKECMDGOALS),all)),)
include $(O)/config.mk
ifneq ($(XL_LIBS),)
$(if $(findstring -lzstd,$(GUEST_LIBS)),,$(error $(O)/config.mk is of an older configure: \
  run that again))
endif
endif
include $(S)/Config.mk

comma := ,
space := $(subst x,,x x)

# One file for each subject. A line "#?" there is the help for a target near it.
# The first target is `all`.
SUBJECTS := rules sources build install tests lab packages care
include $(SUBJECTS:%=$(S)/mk/%.mk)

# configure remembers its options in the environment of its first run only:
# a newer configure script asks for a run by hand when they matter.
$(O)/config.mk: | $(S)/configure
	$(S)/configure --output=$(O)

#? deps         install the Debian packages that all this needs
.PHONY: deps
deps:
	$(S)/scripts/install-deps $(S)/scripts/packages $(S)/xen/lab/packages \
	    $(S)/xen/lab/packages.hypervisor

#? check        check-unit, -tsan, -valgrind, -install, -fuzz, -lab; installs what it needs
#? check-all    with the tests that check leaves out as they take long
.PHONY: check check-all
check check-all: deps
	$(MAKE) check-unit
	$(MAKE) check-tsan
	$(MAKE) check-valgrind
	$(MAKE) check-install
	$(MAKE) check-fuzz
	$(MAKE) check-lab LAB_TESTS=$(if $(filter check-all,$@),--all)
	$(MAKE) check-lab-other
	$(if $(filter check-all,$@),$(MAKE) check-large)
	$(if $(filter check-all,$@),$(MAKE) check-intel)

# Leaves the lab's images, which take minutes to make (lab clean removes them).
#? clean        remove what was built; distclean: config.mk too
.PHONY: clean distclean help
clean:
	rm -rf $(addprefix $(O)/,$(CLEANED)) $(CLEANED_LAB)

distclean: clean
	rm -f $(O)/config.mk

help:
	@sed -n 's/^#? //p' $(SUBJECTS:%=$(S)/mk/%.mk) $(S)/Makefile

.SECONDARY: $(COMPILED)
-include $(sort $(COMPILED:.o=.d))
