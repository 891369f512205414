/* SPDX-License-Identifier: LGPL-2.1-or-later
 * A domain that is a part of a guest, withheld from libxl.
 *
 * While a guest moves, its domain at either host is not a whole guest, and any
 * program that uses libxl (the stock xl, xendomains, libvirt) could save it,
 * run it or destroy it as if it were.  libxl asks xenstore for a domain's type
 * before it does any of these; of one of type "invalid" it refuses to suspend,
 * save, resume, unpause, shut down and destroy it.  The stock xl asks for the
 * configuration that libxl keeps before it saves or migrates a domain, and
 * ends when there is none: that alone is taken from a guest which runs.
 *
 * What is taken is kept beside it, with the domain: any process can give it
 * back, and nothing is left when the domain goes.
 */
#ifndef LM_WITHHELD_H
#define LM_WITHHELD_H

#include <stdint.h>

#include <libxl.h>
#include <xentoollog.h>

/* Both may be called again and again.  What fails is a warning in the log: the
 * migration does not depend on it. */

/* Withhold a domain that does not run: nobody may let it run or end it. */
void lm_withhold(uint32_t domid, xentoollog_logger *logger);
/* Give it back; must come before any of the calls named above.  0, or -1: it
 * is not given back. */
int lm_give_back(uint32_t domid, xentoollog_logger *logger);

/* Withhold the configuration of a domain that runs and is not whole, ... */
void lm_withhold_config(libxl_ctx *ctx, uint32_t domid,
                        xentoollog_logger *logger);
/* ... and give it back. */
int lm_give_back_config(libxl_ctx *ctx, uint32_t domid,
                        xentoollog_logger *logger);

/* Give it back and unpause it until it runs, however often others have paused
 * it meanwhile.  0, or a libxl error: it does not run. */
int lm_let_run(libxl_ctx *ctx, uint32_t domid, xentoollog_logger *logger);
/* Of a domain that was given back: undo what others have paused meanwhile. */
int lm_unpause_again(libxl_ctx *ctx, uint32_t domid);

#endif
