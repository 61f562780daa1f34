// A store that is found elsewhere than where it lived: a copy must not finish what the other one has begun.
#include "tests/support/servers.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/errors.hpp>
#include <weft/open_store.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

namespace place_test {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using weft::written;

std::vector<std::string> const names{"w"};

// Places for stores of one kind, and copying what is in one to another, as a dump does.
class Place : public ::testing::TestWithParam<std::string>
{
protected:
    std::string url(std::string const& name)
    {
        if (GetParam() == "sqlite")
            return directory.url(name + ".db");
        return at(name).url();
    }
    void copy(std::string const& from, std::string const& to)
    {
        if (GetParam() == "sqlite")
        {
            std::filesystem::copy_file(directory.file(from + ".db"), directory.file(to + ".db"),
                                       std::filesystem::copy_options::overwrite_existing);
            return;
        }
        auto const source = at(from).name(), target = at(to).name();
        if (GetParam() == "postgres")
        {
            execute_on_server("postgres", "DROP DATABASE " + target);
            execute_on_server("postgres", "CREATE DATABASE " + target + " TEMPLATE " + source);
            return;
        }
        // Tables know the second in which they were made.
        auto const now = at(to).value("SELECT CAST(NOW() AS char(30))");
        ASSERT_TRUE(eventually([&] { return at(to).value("SELECT CAST(NOW() AS char(30))") != now; }));
        for (std::string const table : {"kv", "trans_global", "trans_branch_op"})
        {
            auto const columns = at(from).value("SELECT GROUP_CONCAT(column_name) FROM information_schema.columns WHERE table_schema = '" +
                                                source + "' AND table_name = '" + table + "' AND extra NOT LIKE '%GENERATED%'");
            at(to).execute("CREATE TABLE " + table + " LIKE " + source + "." + table);
            at(to).execute("INSERT INTO " + table + " (" + columns + ") SELECT " + columns + " FROM " + source + "." + table);
        }
    }
    static std::string refusal(std::string const& url)
    {
        try
        {
            weft::open_store(url);
            return "none";
        }
        catch (weft::store_error const& e)
        {
            return e.what();
        }
    }
    static void create(weft::store& s, std::string gid)
    {
        weft::create_write c;
        c.gid = std::move(gid);
        c.workflow = "w";
        weft::write const w(c);
        ASSERT_EQ(s.apply(std::span(&w, 1), false).front().what, written::done);
    }
    static std::size_t claimable(weft::store& s)
    {
        s.register_engine("engine-x", names);
        auto const n = s.claim("engine-x", names, 10, false).rows.size();
        s.unregister_engine("engine-x");
        return n;
    }

    server_database& at(std::string const& name)
    {
        auto& there = databases[name];
        if (!there)
            there = std::make_unique<server_database>(GetParam());
        return *there;
    }

    temporary_directory                                     directory;
    std::map<std::string, std::unique_ptr<server_database>> databases;
};

INSTANTIATE_TEST_SUITE_P(, Place, ::testing::Values("sqlite", "postgres", "mysql"), [](auto const& each) { return each.param; });

TEST_P(Place, OfACloneIsNotTakenForTheOthers)
{
    std::string id;
    {
        auto const store = weft::open_store(url("production"));
        id = store->id();
        create(*store, "g1");
        store->register_engine("engine-of-production", names);
    }
    copy("production", "staging");
    EXPECT_THAT(refusal(url("staging")), AllOf(HasSubstr("store=moved"), HasSubstr("store=cloned")));
    EXPECT_THAT(refusal(url("staging")), HasSubstr("store=cloned")) << "asking does not settle it";
    {
        auto const clone = weft::open_store(url("staging") + "?store=cloned");
        EXPECT_NE(clone->id(), id);
        EXPECT_THAT(clone->find("g1", false)->paused_reason, HasSubstr("cloned"));
        EXPECT_EQ(claimable(*clone), 0u);
        EXPECT_FALSE(clone->beat("engine-of-production", names).alive);
        create(*clone, "g2");
        EXPECT_EQ(claimable(*clone), 1u);
    }
    auto const clone = weft::open_store(url("staging"));
    EXPECT_NE(clone->id(), id);
    EXPECT_THAT(clone->find("g2", false)->paused_reason, IsEmpty());
    {
        weft::open_store(url("staging") + "?store=cloned");
        EXPECT_THAT(clone->find("g2", false)->paused_reason, IsEmpty()) << "said once more it changes nothing";
    }
    auto const production = weft::open_store(url("production"));
    EXPECT_EQ(production->id(), id);
    EXPECT_EQ(claimable(*production), 1u);
}

TEST_P(Place, OfOneThatWasMovedIsKeptWithItsId)
{
    std::string id;
    {
        auto const store = weft::open_store(url("here"));
        id = store->id();
        create(*store, "g1");
    }
    copy("here", "there");
    EXPECT_THROW(weft::open_store(url("there") + "?store=lost"), weft::misuse);
    EXPECT_THAT(refusal(url("there")), HasSubstr("store=moved"));
    {
        auto const moved = weft::open_store(url("there") + "?store=moved");
        EXPECT_EQ(moved->id(), id);
        EXPECT_EQ(claimable(*moved), 1u);
    }
    EXPECT_EQ(refusal(url("there")), "none");
}

// A table that was built anew, a file that was renamed, a backup that was restored where it came from.
TEST_P(Place, IsKnownAgainByAnyOfItsMarks)
{
    std::string id;
    {
        auto const store = weft::open_store(url("here"));
        id = store->id();
        create(*store, "g1");
    }
    if (GetParam() == "sqlite")
    {
        std::filesystem::rename(directory.file("here.db"), directory.file("renamed.db"));
        EXPECT_EQ(weft::open_store(url("renamed"))->id(), id);
        std::filesystem::copy_file(directory.file("renamed.db"), directory.file("backup.db"));
        std::filesystem::rename(directory.file("backup.db"), directory.file("renamed.db"));
        EXPECT_EQ(weft::open_store(url("renamed"))->id(), id);
    }
    else if (GetParam() == "mysql")
    {
        auto const now = at("here").value("SELECT CAST(NOW() AS char(30))");
        ASSERT_TRUE(eventually([&] { return at("here").value("SELECT CAST(NOW() AS char(30))") != now; }));
        at("here").execute("ALTER TABLE kv FORCE");
        EXPECT_EQ(weft::open_store(url("here"))->id(), id);
    }
    else
    {
        execute_on_server("postgres", "ALTER DATABASE " + at("here").name() + " RENAME TO " + at("here").name() + "_x");
        auto const renamed = url("here") + "_x";
        EXPECT_EQ(weft::open_store(renamed)->id(), id);
        execute_on_server("postgres", "ALTER DATABASE " + at("here").name() + "_x RENAME TO " + at("here").name());
        EXPECT_EQ(weft::open_store(url("here"))->id(), id);
    }
}

}  // namespace place_test
