/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Fuzzes QEMU's answers at its monitor.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/qmp.h"
#include "fuzz_peer.h"

#define PATIENCE_MS 1000

/* A socket of this process to connect to. */
static int listen_at(char path[64])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(path, 64, "/tmp/fuzz-qmp.%d", (int)getpid());
    strcpy(address.sun_path, path);
    unlink(path);
    fuzz_require(fd >= 0 &&
                 !bind(fd, (struct sockaddr *)&address, sizeof(address)) &&
                 !listen(fd, 1));
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
    struct xlm_context xlm = fuzz_context(NULL);
    struct lm_qmp qmp = LM_QMP_CLOSED;
    struct fuzz_speaker *speaker;
    char path[64];
    int listener = listen_at(path);
    long long number;
    int rc;

    speaker = fuzz_speaker_new(listener, octets, length);
    rc = lm_qmp_connect(&qmp, &xlm, path, -1, PATIENCE_MS);
    while (!rc) {
        rc = lm_qmp_execute(&qmp, "query-something", NULL, -1);
        if (!rc) {
            (void)lm_qmp_number(&qmp, "fdset-id", &number);
        }
    }
    fuzz_require(xlm.reason[0]);
    lm_qmp_close(&qmp);
    fuzz_speaker_free(speaker);
    close(listener);
    unlink(path);
    return 0;
}
