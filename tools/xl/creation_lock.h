/* SPDX-License-Identifier: LGPL-2.1-or-later
 * The lock that every xl of a host holds from seeing that there is memory for
 * a domain until the domain has it: what one has freed is not another's.
 */
#ifndef XL_CREATION_LOCK_H
#define XL_CREATION_LOCK_H

/* How long to wait for another xl; a source waits longer for a receiver. */
#define XL_CREATION_PATIENCE_SECONDS 150

struct xl_creation_lock {
    int fd;
};

#define XL_CREATION_UNLOCKED ((struct xl_creation_lock){.fd = -1})

/*
 * Lock this file, which is made if it does not exist.  Wait at most `seconds`
 * for another process to unlock it, and only while the other end of peer_fd
 * is open (-1: there is no peer).  0, or -1 with a message on stderr.  A
 * process may have one lock of a file, which ends with the process.
 */
int xl_creation_lock_take(struct xl_creation_lock *lock, const char *path,
                          unsigned int seconds, int peer_fd);

/* Without effect when the lock is not held. */
void xl_creation_lock_release(struct xl_creation_lock *lock);

#endif
