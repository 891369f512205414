# SPDX-License-Identifier: LGPL-2.1-or-later
# Looking after the sources, and the pages.

.PHONY: format check-format lint coverage docs pages man
FORMATTED = $(shell git -C $(S) ls-files 'tools/*.[ch]' 'xen/*.[ch]' 'docs/*.[ch]')

#? format       apply .clang-format (check-format: only look)
format:
	cd $(S) && clang-format -i $(FORMATTED)

check-format:
	cd $(S) && clang-format --dry-run -Werror $(FORMATTED)
	@cd $(S) && if grep -n '^.\{80,\}' $(FORMATTED); then \
	    echo 'FAILED: check-format: lines of 80 columns and more'; false; fi

#? lint         clang-tidy, cppcheck, shellcheck, codespell, words, references
lint: $(O)/config.mk
	$(S)/scripts/install-deps $(S)/scripts/packages.lint
	$(S)/scripts/lint $(COMMON_CFLAGS) $(GUEST_CFLAGS) $(LIGHT_CFLAGS)

# The lines that the unit tests reach, in a build of its own. A line that only runs on a
# real Xen counts as not reached.
COVERAGE_O := $(S)/build/coverage
#? coverage     lines that the unit tests reach, by directory
coverage:
	$(S)/scripts/install-deps $(S)/scripts/packages $(S)/scripts/packages.lint
	CFLAGS=--coverage LDFLAGS=--coverage \
	    $(S)/configure --output=$(COVERAGE_O)
	$(MAKE) O=$(COVERAGE_O) check-unit
	$(S)/scripts/coverage $(COVERAGE_O)

# Every page below docs, and the files to which its links lead.
HTML_SRCS := $(patsubst $(S)/%,%,$(foreach type,md pandoc,\
               $(wildcard $(addprefix $(S)/,*.$(type) docs/*.$(type) docs/*/*.$(type))))) \
             xen/lab/README.md xen/guests/README.md tools/tests/system/README.md \
             tools/tests/bench/README.md
HTML_PAGES := $(HTML_SRCS:%=$(O)/html/%.html)
HTML_PAGES := $(HTML_PAGES:.md.html=.html)
HTML_PAGES := $(HTML_PAGES:.pandoc.html=.html)
MAN_BUILT := $(MAN_PAGES:%=$(O)/man/%)

# Pictures in the pages, and other files to which they link.
HTML_FILES := $(patsubst $(S)/%,$(O)/html/%,$(wildcard $(S)/docs/images/* \
                $(S)/docs/examples/*.* $(S)/docs/examples/*/*.* $(S)/docs/*.json \
                $(S)/docs/specs/*.json.in)) $(O)/html/CODING_STYLE $(O)/html/COPYING

# Pictures that are drawn from text. Their sources are beside the pages.
HTML_DIAGRAMS := $(patsubst $(S)/%.dot,$(O)/html/%.svg,$(wildcard $(S)/docs/diagrams/*.dot))

#? docs         the man pages, and all pages as HTML with their pictures, in build/html
docs:
	$(S)/scripts/install-deps $(S)/scripts/packages.docs
	$(MAKE) pages
pages: man $(HTML_PAGES) $(HTML_FILES) $(HTML_DIAGRAMS)
	$(S)/scripts/check-links $(O)/html
man: $(MAN_BUILT)

$(MAN_BUILT): $(O)/man/%: $(S)/docs/man/%.md
	@mkdir -p $(@D)
	$(call say,MAN)
	$(Q)pandoc -s -t man -o $@ $<

$(HTML_FILES): $(O)/html/%: $(S)/%
	@mkdir -p $(@D)
	$(Q)cp $< $@

$(HTML_DIAGRAMS): $(O)/html/%.svg: $(S)/%.dot
	@mkdir -p $(@D)
	$(call say,DOT)
	$(Q)dot -Tsvg -o $@ $<

define make_html
	@mkdir -p $(@D)
	$(call say,HTML)
	$(Q)$(S)/scripts/html-page $< $@
endef
$(O)/html/%.html: $(S)/%.md $(S)/docs/html.lua $(S)/docs/html.css
	$(make_html)
$(O)/html/%.html: $(S)/%.pandoc $(S)/docs/html.lua $(S)/docs/html.css
	$(make_html)

CLEANED += man html
