/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The toolstacks of a fake migration.
 */
#ifndef FAKE_PARTS_H
#define FAKE_PARTS_H

#include "fake_migration.h"

/* The toolstack's pages lie above the guest's. */
#define FAKE_PARTS_PAGES 8

/* The callbacks that each end gives the engine, except keep(). */
struct xlm_save_callbacks fake_parts_source(struct fake_migration *migration);
struct xlm_restore_callbacks fake_parts_destination(
    struct fake_migration *migration);

/* Make the guest's memory, with some holes, and all state of the source's
 * domain. */
void fake_parts_fill(struct fake_migration *migration);
/* Set the HVM parameters of the destination's domain that name its pages. */
void fake_parts_check_params(const struct fake_migration *migration);

#endif
