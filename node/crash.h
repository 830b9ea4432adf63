/* What a damaged state file does to a process that has it mapped: LMDB follows what its pages say,
 * and a page behind the end of the file, or on a failing disk, is SIGBUS or SIGSEGV.
 *
 * Guarantee: such a node ends at once with EXIT_FATAL and a last line that names the file and the
 * remedy. A signal that has nothing to do with the state ends it as ever, core dump and all. */
#ifndef FLORIN_CRASH_H
#define FLORIN_CRASH_H

/* At start, before other threads. */
void crash_install(void);

#endif
