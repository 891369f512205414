/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Which hosts may send guests by TLS.
 */
#ifndef XL_PEERS_H
#define XL_PEERS_H

struct xl_peers {
    const char **names; /* patterns for the names in their certificates, that
                           end with NULL; NULL: any that the CA has signed */
    char where[200];    /* where a person finds the list */
    char *text;         /* what the names point into */
};

#endif
