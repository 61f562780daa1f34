// A body that takes databases on servers is tested with none of them there.
#include <weft/sql.hpp>
#include <weft/testing/environment.hpp>
#include <weft/weft.hpp>
#include <weft/xa.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using namespace weft::literals;
using testing::ElementsAre;

//[without_a_server
struct bank
{
    weft::database orders{"mysql://nobody@localhost/orders"};  // nothing is connected before the first operation
    weft::database accounts{"postgres://nobody@localhost/accounts"};
};

void         note(soci::session& sql, std::int64_t cents);
void         forget(soci::session& sql, std::int64_t cents);
std::int64_t charge(soci::session& sql, std::int64_t cents);

weft::workflow<std::int64_t> pay(weft::context& wf, bank& our, std::int64_t cents)
{
    auto const on = weft::sql(our.orders);
    co_await wf.saga("note", on(&note), on(&forget), cents);
    co_return co_await wf.xa("charge", our.accounts, &charge, cents);
}

TEST(Pay, CommitsWithoutAServer)
{
    bank                       our;
    weft::testing::environment env;
    auto const                 payment = env.add("pay", &pay, std::ref(our));
    env.on("note").succeeds();
    env.on("charge").succeeds(std::int64_t{500});
    env.on("charge", weft::operation::commit).succeeds();
    EXPECT_EQ(payment.execute("g1"_gid, std::int64_t{500}).value(), 500);
}
//]

TEST(Pay, RollsBackWithoutAServer)
{
    bank                       our;
    weft::testing::environment env;
    auto const                 payment = env.add("pay", &pay, std::ref(our));
    env.on("note").succeeds();
    env.on("note", weft::operation::compensate).succeeds();
    env.on("charge").throws("down").fails("no money");
    env.on("charge", weft::operation::rollback).succeeds();
    EXPECT_EQ(payment.execute("g1"_gid, std::int64_t{500}).error().reason(), "no money");
    EXPECT_THAT(env.calls(), ElementsAre("note/action", "charge/action", "charge/action", "charge/rollback", "note/compensate"));
}

void         note(soci::session&, std::int64_t) { FAIL() << "there is no server"; }
void         forget(soci::session&, std::int64_t) { FAIL() << "there is no server"; }
std::int64_t charge(soci::session&, std::int64_t) { throw std::logic_error("there is no server"); }

// What is wrong with a URL is said at once all the same.
TEST(Url, IsReadBeforeAnythingIsConnected)
{
    EXPECT_THROW(weft::database("mysql://nobody@localhost/orders?colour=red"), weft::misuse);
    EXPECT_THROW(weft::database("postgres://localhost"), weft::misuse);
}

}  // namespace
