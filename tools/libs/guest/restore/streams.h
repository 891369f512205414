/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The destination's end of the further streams: connections that pushed pages
 * come over besides the first one.
 */
#ifndef XLM_RESTORE_STREAMS_H
#define XLM_RESTORE_STREAMS_H

#include "restore/restorer.h"

/* POSTCOPY_STREAM_USE: start a thread that pages in what this stream
 * brings. */
int xlm_restore_use_stream(struct xlm_restorer *restorer);
/* POSTCOPY_STREAM_LOST: the source has lost a stream. */
int xlm_restore_take_stream_lost(struct xlm_restorer *restorer);
/* Close all streams; their threads have ended when this returns.  Harmless
 * when there are none. */
void xlm_restore_close_streams(struct xlm_restorer *restorer);

#endif
