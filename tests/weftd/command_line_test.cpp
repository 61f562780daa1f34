#include "src/weftd/command_line.hpp"

#include <gtest/gtest.h>

using weftd::parse_command_line;
using command = weftd::command_line::command;

TEST(CommandLine, TakesDtmsOptionsAndItsOwn)
{
    EXPECT_EQ(parse_command_line({}).what, command::serve);
    EXPECT_EQ(parse_command_line({"-c", "conf.yml"}).file, "conf.yml");
    EXPECT_EQ(parse_command_line({"--config=conf.yml", "-d"}).file, "conf.yml");
    EXPECT_TRUE(parse_command_line({"-d"}).debug);
    EXPECT_EQ(parse_command_line({"-r"}).what, command::reset);
    EXPECT_FALSE(parse_command_line({"-r"}).yes);
    EXPECT_TRUE(parse_command_line({"--reset", "--yes"}).yes);
    EXPECT_EQ(parse_command_line({}).store, "");
    EXPECT_EQ(parse_command_line({"--store", "moved"}).store, "moved");
    EXPECT_EQ(parse_command_line({"-r", "--store=cloned"}).store, "cloned");
    EXPECT_EQ(parse_command_line({"-v"}).what, command::version);
    EXPECT_EQ(parse_command_line({"-h"}).what, command::help);
    EXPECT_EQ(parse_command_line({"check-config", "-c", "conf.yml"}).what, command::check_config);
    EXPECT_EQ(parse_command_line({"-c", "conf.yml", "print-config"}).what, command::print_config);
    EXPECT_EQ(parse_command_line({"print-keys"}).what, command::print_keys);
}

TEST(CommandLine, RefusesEverythingElse)
{
    for (auto const& arguments : std::vector<std::vector<std::string>>{{"serve"},
                                                                       {"-x"},
                                                                       {"--conf", "a"},
                                                                       {"-c"},
                                                                       {"-c", ""},
                                                                       {"check-config", "print-config"},
                                                                       {"-r", "check-config"},
                                                                       {"--yes=1"},
                                                                       {"--store"},
                                                                       {"--store=lost"},
                                                                       {"--store", "moved", "check-config"}})
        EXPECT_THROW(parse_command_line(arguments), weftd::bad_command_line) << arguments[0];
}
