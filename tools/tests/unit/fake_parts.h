/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The toolstacks of a fake migration.
 */
#ifndef FAKE_PARTS_H
#define FAKE_PARTS_H

#include "fake_migration.h"

/* Its pages lie above the guest's. */
#define FAKE_PARTS_PAGES 8

/* What each end has the engine call, but for keep(). */
struct xlm_save_callbacks fake_parts_source(struct fake_migration *migration);
struct xlm_restore_callbacks fake_parts_destination(
    struct fake_migration *migration);

/* The guest's memory, with some holes, and all state of the source's domain.
 */
void fake_parts_fill(struct fake_migration *migration);
/* The destination's domain has the parameters that tell of its pages. */
void fake_parts_check_params(const struct fake_migration *migration);

#endif
