/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the options about TLS mean.
 */
#ifndef XL_TLS_OPTIONS_H
#define XL_TLS_OPTIONS_H

#include "options.h"
#include "tls/credentials.h"

/* The directory of --tls. */
static inline const char *xl_tls_directory(const struct xl_options *options)
{
    return options->tls && options->tls[0] ? options->tls : XL_TLS_DIRECTORY;
}

#endif
