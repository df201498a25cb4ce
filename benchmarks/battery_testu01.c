/* TestU01's batteries on the words of a pipe.

   battery_testu01 SmallCrush|Crush|BigCrush TEST

   TEST is the number of one test, or 0 for all. Every line of results begins with "p-value".  */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bbattery.h"
#include "swrite.h"
#include "unif01.h"

static unsigned int word(void)
{
    static unsigned int words[1 << 14];
    static size_t next, count;
    if (next == count) {
        count = fread(words, sizeof *words, sizeof words / sizeof *words, stdin), next = 0;
        if (!count)
            exit(3);
    }
    return words[next++];
}

int main(int argc, char **argv)
{
    int rep[1000] = {0}, test = argc == 3 ? atoi(argv[2]) : -1;
    if (test < 0 || test > 106)
        return fputs("battery_testu01 SmallCrush|Crush|BigCrush TEST\n", stderr), 2;
    for (int i = 1; i <= 106; i++)
        rep[i] = !test || i == test;
    unif01_Gen *generator = unif01_CreateExternGenBits("varprop", word);
    swrite_Basic = 0;
    if (!strcmp(argv[1], "SmallCrush"))
        bbattery_RepeatSmallCrush(generator, rep);
    else if (!strcmp(argv[1], "Crush"))
        bbattery_RepeatCrush(generator, rep);
    else
        bbattery_RepeatBigCrush(generator, rep);
    for (int i = 0; i < bbattery_NTests; i++)
        if (bbattery_pVal[i] > -0.5)
            printf("p-value %s %.17g\n", bbattery_TestNames[i], bbattery_pVal[i]);
    return 0;
}
