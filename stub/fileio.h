/* SPDX-License-Identifier: MIT */
/*
 * The protocol's own numbers and layouts for files (GDB manual, "File-I/O
 * Remote Protocol Extension": "Protocol-specific Representation of Datatypes"
 * and "Constants"), which vFile uses too.
 */
#ifndef STUB_FILEIO_H
#define STUB_FILEIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define FILEIO_STAT_SIZE 64u

unsigned int fileio_errno(int os_errno);

/* False if @wire has a bit that open flags have not. */
bool fileio_open_flags(uint64_t wire, int *ret);

/* struct stat, big-endian, numbers cut to the width there is. */
void fileio_stat(const struct stat *st, uint8_t ret[FILEIO_STAT_SIZE]);

#endif
