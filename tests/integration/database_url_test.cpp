// What names a database.
#include "src/sql/url.hpp"

#include <weft/errors.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace database_url_test {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using weft::detail::parse_database_url;
using weft::detail::parse_duration;

TEST(DatabaseUrl, TellsAbsoluteFromRelativePaths)
{
    EXPECT_EQ(parse_database_url("sqlite:///var/lib/shop.db").path, "/var/lib/shop.db");
    EXPECT_EQ(parse_database_url("sqlite://shop.db").path, "shop.db");
    EXPECT_EQ(parse_database_url("sqlite://../shop.db").path, "../shop.db");
    EXPECT_EQ(parse_database_url("sqlite://").path, "");
}

TEST(DatabaseUrl, DecodesWhatIsPercentEncoded)
{
    auto const u = parse_database_url("sqlite:///a%3Fb%25%2f%C3%BC c.db?name=%26%3d");
    EXPECT_EQ(u.path, "/a?b%/\xC3\xBC c.db");
    EXPECT_THAT(u.options, ElementsAre(Pair("name", "&=")));
}

TEST(DatabaseUrl, HasOptionsInOrder)
{
    EXPECT_THAT(parse_database_url("sqlite:///a?x=1&y=&x=2").options, ElementsAre(Pair("x", "1"), Pair("y", ""), Pair("x", "2")));
}

TEST(DatabaseUrl, IsRefusedWithoutQuotingIt)
{
    for (auto const* const url : {"", "shop.db", "/var/lib/secret.db", "://secret", "SQLITE:///secret", "postgres+secret://x",
                                  "sqlite:secret.db", "sqlite:///secret%", "sqlite:///secret%2", "sqlite:///secret%zz",
                                  "sqlite:///secret%00", "sqlite:///a?secret", "sqlite:///a?=secret", "sqlite:///a?"})
        try
        {
            parse_database_url(url);
            ADD_FAILURE() << url;
        }
        catch (weft::misuse const& e)
        {
            EXPECT_THAT(e.what(), Not(HasSubstr("secret"))) << url;
        }
}

TEST(DatabaseUrl, HasTimesWithUnits)
{
    EXPECT_EQ(parse_duration("t", "250ms"), 250ms);
    EXPECT_EQ(parse_duration("t", "5s"), 5s);
    EXPECT_EQ(parse_duration("t", "0ms"), 0ms);
    for (auto const* const text : {"", "5", "ms", "-1s", "5 s", "5m", "1.5s", "99999999999999999999s", "5sx"})
        EXPECT_THROW(parse_duration("t", text), weft::misuse) << text;
}

}  // namespace database_url_test
