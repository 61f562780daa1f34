// The barrier of a request that came over HTTP.
#include <weft/barrier.hpp>
#include <weft/errors.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace from_query_test {

using testing::HasSubstr;

// A connection that only remembers what it was asked: the barrier's own tests are elsewhere.
class remembering final : public weft::barrier_connection
{
public:
    weft::sql_dialect dialect() const noexcept override { return weft::sql_dialect::sqlite; }
    std::int64_t      execute(std::string_view, std::span<std::string_view const> parameters) override
    {
        given.assign(parameters.begin(), parameters.end());
        return 1;
    }
    std::optional<row> query_row(std::string_view, std::span<std::string_view const>, std::size_t) override { return std::nullopt; }

    std::vector<std::string> given;
};

std::vector<std::string> identity(std::string_view query)
{
    remembering c;
    weft::barrier::from_query(query).enter(c);
    return c.given;
}

std::string refusal(std::string_view query)
{
    try
    {
        weft::barrier::from_query(query);
        return "none";
    }
    catch (weft::misuse const& e)
    {
        return e.what();
    }
}

TEST(BarrierFromQuery, TakesATargetOrAQuery)
{
    using testing::ElementsAre;
    auto const same = ElementsAre("saga", "g1", "01", "action", "01", "action");
    EXPECT_THAT(identity("/charge?gid=g1&trans_type=saga&branch_id=01&op=action"), same);
    EXPECT_THAT(identity("?gid=g1&trans_type=saga&branch_id=01&op=action"), same);
    EXPECT_THAT(identity("op=action&dtm=http%3A%2F%2Fx&branch_id=01&trans_type=saga&gid=g1#fragment"), same);
    EXPECT_THAT(identity("gid=a%26b+c%E8%AE%A2&trans_type=tcc&branch_id=01.02&op=try"),
                ElementsAre("tcc", "a&b c订", "01.02", "try", "01", "try"));
}

TEST(BarrierFromQuery, SaysWhatIsMissingOrWrong)
{
    EXPECT_THAT(refusal("/charge"), HasSubstr("op"));
    EXPECT_THAT(refusal("trans_type=saga&branch_id=01&op=action"), HasSubstr("no gid"));
    EXPECT_THAT(refusal("gid=g1&gid=g2&trans_type=saga&branch_id=01&op=action"), HasSubstr("more than one gid"));
    EXPECT_THAT(refusal("gid=&trans_type=saga&branch_id=01&op=action"), HasSubstr("gid"));
    EXPECT_THAT(refusal("gid=g1&trans_type=saga&branch_id=01&op=drop"), HasSubstr("op"));
    EXPECT_THAT(refusal("gid=%zz&trans_type=saga&branch_id=01&op=action"), HasSubstr("no query"));
    EXPECT_THAT(refusal("gid=" + std::string(129, 'x') + "&trans_type=saga&branch_id=01&op=action"), HasSubstr("gid"));
}

}  // namespace from_query_test
