/* SPDX-License-Identifier: LGPL-2.1-or-later
 * What the guest asks of the hypervisor.  Outside Xen (plain QEMU) there is
 * none; then xen_present() is false and nothing else here may be called.
 */
#ifndef XEN_H
#define XEN_H

#include <stdbool.h>
#include <stdint.h>

bool xen_find(void);
bool xen_present(void);

/* Maps shared_info, and registers what a new domain does not know of this
 * guest. */
void xen_connect(void);

/* Nanoseconds since the host started; another host starts elsewhere. */
uint64_t xen_time_ns(void);
void xen_sleep_until(uint64_t time_ns);

/* Takes back Xen's sign that the first vCPU has events: otherwise Xen would
 * deliver these before any other interrupt. */
void xen_forget_events(void);

/* Gives the page at this frame back for good. */
void xen_give_back(uint64_t frame);

uint64_t xen_get_param(uint32_t index);
void xen_notify(uint32_t port);

/* Gives the page at this pfn back to the hypervisor; false: it is refused. */
bool xen_give_back_one(uint64_t pfn);
/* Gets a page at this pfn; false: the hypervisor has none for this guest. */
bool xen_take(uint64_t pfn);

/* True if the suspend was cancelled: same domain, same rings. */
bool xen_suspend(void);

/* The hypervisor shuts the domain down unless this is called again within this
 * number of seconds.  True: this is the first call in this domain. */
bool xen_watchdog(uint32_t seconds);

/* SHUTDOWN_poweroff and the like; does not return. */
void xen_shutdown(unsigned int reason) __attribute__((noreturn));

#endif
