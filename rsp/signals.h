/* SPDX-License-Identifier: MIT */
/*
 * Signal numbers: the protocol has its own, the same for every system (GDB
 * manual, "Stop Reply Packets": "GDB signal numbers"); the target speaks Linux.
 */
#ifndef RSP_SIGNALS_H
#define RSP_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

#define RSP_SIGNAL_UNKNOWN 143u /* the protocol's word for one it has no number for */
#define LINUX_SIGNAL_MAX   64

/* 0 and RSP_SIGNAL_UNKNOWN for what has no number of the protocol's. */
unsigned int rsp_signal_from_linux(int signo);

/* False, and *ret untouched, if Linux on this machine has no such signal; 0 is 0. */
bool rsp_signal_to_linux(uint64_t number, int *ret);

#endif
