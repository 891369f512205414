# SPDX-License-Identifier: LGPL-2.1-or-later
# One rule to compile, one to link, one to make an archive. Each prints a line; make V=1
# shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(subst $(O)/,,$@)')

BUILD_DEPS := $(O)/config.mk $(S)/Config.mk

# Objects that have a file of dependencies; other files add theirs.
COMPILED :=

# $(call compile_into,DIR,COMPILER,FLAGS): objects of any source below $(O)/DIR, by
# the compiler and with the flags that these variables have then.
define compile_into
$(O)/$(1)/%.o: $(S)/%.c $(BUILD_DEPS)
	@mkdir -p $$(@D)
	$$(call say,$(2))
	$$(Q)$$($(2)) $$($(3)) $$(EXTRA_CFLAGS) -MMD -MP -c -o $$@ $$<
endef

# $(call link,FLAGS,LIBRARIES): of those prerequisites that can be linked.
define link
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(or $(LINKER),$(CC)) $(1) -o $@ $(filter-out $(LIB_MAP),$^) $(2)
endef

define archive
	@mkdir -p $(@D)
	$(call say,AR)
	$(Q)rm -f $@
	$(Q)$(AR) qcs $@ $^
endef

# $(call made_by,SCRIPT): makes the target from the first prerequisite, by that script.
define made_by
	@mkdir -p $(@D)
	$(call say,MAKE)
	$(Q)$(S)/scripts/$(1) $< > $@.new && mv $@.new $@
endef
