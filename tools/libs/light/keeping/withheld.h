/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A domain that is only part of a guest, withheld from libxl.
 *
 * While a guest moves, its domain at either host is not a whole guest, and any
 * program that uses libxl (the stock xl, xendomains, libvirt) could save it,
 * run it or destroy it.  Before libxl does any of these it reads the domain's
 * type from xenstore; it refuses to suspend, save, resume, unpause, shut down
 * and destroy a domain of type "invalid".  Before the stock xl saves or
 * migrates a domain it reads the configuration that libxl keeps, and fails
 * when there is none: a guest that runs is withheld only by that.
 *
 * The former values are kept in xenstore, beside the domain's: any process can
 * give the domain back, and nothing is left when the domain is gone.
 */
#ifndef LM_WITHHELD_H
#define LM_WITHHELD_H

#include <stdint.h>

#include <libxl.h>
#include <xentoollog.h>

/* Both may be called again.  A failure is only logged: the migration does not
 * depend on this. */

/* Withhold a domain that does not run: no program may let it run or end it. */
void lm_withhold(uint32_t domid, xentoollog_logger *logger);
/* Give it back; the caller must do so before any of the calls named above.  0,
 * or -1: the domain is still withheld. */
int lm_give_back(uint32_t domid, xentoollog_logger *logger);

/* Withhold the configuration of a domain that runs and is not complete, ... */
void lm_withhold_config(libxl_ctx *ctx, uint32_t domid,
                        xentoollog_logger *logger);
/* ... and give it back. */
int lm_give_back_config(libxl_ctx *ctx, uint32_t domid,
                        xentoollog_logger *logger);

/* Give the domain back and unpause it until it runs, however often other
 * programs have paused it.  0, or a libxl error: it does not run. */
int lm_let_run(libxl_ctx *ctx, uint32_t domid, xentoollog_logger *logger);
/* For a domain that was given back: undo the pauses of other programs. */
int lm_unpause_again(libxl_ctx *ctx, uint32_t domid);

#endif
