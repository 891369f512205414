# SPDX-License-Identifier: LGPL-2.1-or-later
# Packages, for this release and for others.

# The Debian packages, in build/deb; SUITE=bullseye: for that release. check-deb tries
# them in a root of it: they install, xl works, and after their removal all is as before.
SUITE ?=
.PHONY: deb check-deb
deb check-deb: DEB_DIR = $(O)/deb/$(or $(SUITE),host)
#? deb          Debian packages (SUITE=bullseye: for that release), lintian clean
#? check-deb    installs and removes them in a root of their release
deb:
	$(S)/scripts/install-deps $(S)/scripts/packages $(S)/scripts/packages.deb \
	    $(if $(SUITE),$(S)/xen/lab/packages)
	$(S)/scripts/build-deb $(DEB_DIR) $(SUITE)

check-deb: deb
	$(S)/scripts/install-deps $(S)/xen/lab/packages
	$(S)/scripts/check-deb check-deb-root xen-utils,xen-utils-common $(DEB_DIR) $(SUITE)

# Packages of rpm's, in build/rpm, for other distributions.
.PHONY: rpm
#? rpm          packages of rpm's, from rpm/xen-postcopy.spec
rpm:
	$(S)/scripts/install-deps $(S)/scripts/packages $(S)/scripts/packages.rpm
	$(S)/scripts/build-rpm $(O)/rpm

# A package of a release's own hypervisor, with memory paging; SUITE is this
# machine's release or another one. SOURCE=DIR: from the source that `apt source xen` has
# left there, instead of from the mirror.
SOURCE ?=
OTHER_SUITE = $(filter-out $(shell . /etc/os-release && echo $$VERSION_CODENAME),$(SUITE))
.PHONY: hypervisor check-hypervisor
hypervisor check-hypervisor: HYPERVISOR_DIR = $(O)/hypervisor/$(or $(SUITE),host)
#? hypervisor   a package of a release's own Xen hypervisor with memory paging
#?              (SUITE=bookworm or trixie; SOURCE=DIR: from the source there)
#? check-hypervisor  installs and removes it in a root of its release
hypervisor:
	$(S)/scripts/install-deps $(S)/xen/lab/packages.hypervisor \
	    $(if $(OTHER_SUITE),$(S)/xen/lab/packages)
	$(S)/scripts/make-hypervisor $(HYPERVISOR_DIR) $(SUITE) \
	    $(if $(SOURCE),--source '$(SOURCE)')

# Beside the packaged one, in the boot menu of a root of that release.
check-hypervisor: hypervisor
	$(S)/scripts/install-deps $(S)/xen/lab/packages
	$(S)/scripts/check-deb check-hypervisor-root \
	    grub-common,grub2-common,xen-hypervisor-amd64,xen-hypervisor-common \
	    $(HYPERVISOR_DIR) $(SUITE)

# Builds this source with the headers of each Xen that Debian has, some minutes each.
VERSIONS := bullseye bookworm trixie
.PHONY: check-versions
#? check-versions  unit tests with the Xen of Debian 11, 12 and 13 (ten minutes)
check-versions:
	$(S)/scripts/install-deps $(S)/xen/lab/packages
	$(S)/scripts/check-versions $(VERSIONS)
