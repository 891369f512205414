/*
 * Telling a page in which the hypervisor keeps a vcpu_info.
 */
#ifndef XLM_VCPU_INFO_H
#define XLM_VCPU_INFO_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Does a page look as if it held a struct vcpu_info that a running domain has
 * registered?  By the time in it, which the hypervisor writes.  Of the pages
 * that a Linux guest wrote last, three in a hundred look so and hold none.
 */
bool xlm_has_vcpu_info(const uint8_t *page);

#endif
