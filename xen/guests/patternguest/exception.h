/* An exception is a bug of ours or a page gone wrong: say so and stop. */
#ifndef EXCEPTION_H
#define EXCEPTION_H

void exceptions_catch(void);

#endif
