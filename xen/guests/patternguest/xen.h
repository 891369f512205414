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

/* Maps shared_info and registers what a new domain does not know of us. */
void xen_connect(void);

/* Nanoseconds since the host started; another host starts elsewhere. */
uint64_t xen_time_ns(void);
void xen_sleep_until(uint64_t time_ns);

/* Xen does not go before other interrupts of the first vCPU to tell of those
 * that there have been. */
void xen_forget_events(void);

/* The page there is not ours any more. */
void xen_give_back(uint64_t frame);

uint64_t xen_get_param(uint32_t index);
void xen_notify(uint32_t port);

/* The page at this pfn goes back to the hypervisor; false: it is not taken. */
bool xen_give_back_one(uint64_t pfn);
/* And one comes there; false: there is none for us. */
bool xen_take(uint64_t pfn);

/* True if the suspend was cancelled: same domain, same rings. */
bool xen_suspend(void);

/* The hypervisor shuts the domain down unless this is called again within this
 * number of seconds.  True: this is the first call in this domain. */
bool xen_watchdog(uint32_t seconds);

/* SHUTDOWN_poweroff and the like; does not return. */
void xen_shutdown(unsigned int reason) __attribute__((noreturn));

#endif
