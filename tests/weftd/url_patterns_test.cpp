#include "src/weftd/url_patterns.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

using weftd::url_patterns;

TEST(UrlPatterns, AllowWhatTheyName)
{
    url_patterns const p({"https://*.shop.internal/*", "http://10.0.0.5:8080/api/*", "http://stock:*/try", "HTTP://Mixed.Example/*"});
    for (auto const* url : {"https://a.shop.internal/x", "https://a.b.shop.internal:443/x?gid=1", "https://A.SHOP.internal/",
                            "https://a.shop.internal", "http://10.0.0.5:8080/api/x", "http://10.0.0.5:8080/api/",
                            "http://10.0.0.5:8080/api/a/../b", "http://10.0.0.5:8080/api//x", "http://10.0.0.5:8080/api/x;a=b/50%25",
                            "http://stock/try?x=/y", "http://stock:99/try", "http://mixed.example/", "HTTP://mixed.example:80/a"})
        EXPECT_TRUE(p.allow(url)) << url;
}

TEST(UrlPatterns, RefuseEverythingElse)
{
    url_patterns const p({"https://*.shop.internal/*", "http://10.0.0.5:8080/api/*", "http://stock:*/try"});
    for (auto const* url : {"http://a.shop.internal/x",                   // another scheme
                            "https://a.shop.internal:8443/x",             // another port
                            "https://shop.internal/x",                    // not below it
                            "https://evilshop.internal/x",                // not a part of the name
                            "https://a.shop.internal.evil.example/x",     //
                            "https://evil.example/a.shop.internal/x",     //
                            "https://evil.example?a.shop.internal/",      //
                            "https://evil.example#.shop.internal/",       //
                            "https://a.shop.internal@evil.example/x",     // a user
                            "https://user@a.shop.internal/x",             //
                            "https://a.shop.internal\\@evil.example/x",   // read in two ways
                            "http://10.0.0.5:8080/api",                   // not below it
                            "http://10.0.0.5:8080/apis/x",                //
                            "http://10.0.0.5:8080/api/../admin",          // dots
                            "http://10.0.0.5:8080/api/%2e%2e/admin",      //
                            "http://10.0.0.5:8080/api/..%2fadmin",        //
                            "http://10.0.0.5:8080/api/%5c..%5cadmin",     //
                            "http://10.0.0.5:8080/api/..;/admin",         // read in another way by some servers
                            "http://10.0.0.5:8080/api/..;a=b/admin",      //
                            "http://10.0.0.5:8080/api/%2e%2e;/admin",     //
                            "http://10.0.0.5:8080/api/%252e%252e/admin",  //
                            "http://10.0.0.5:8080/api/%25%32%65%25%32%65/admin",
                            "http://10.0.0.5:8080/api/%%32%65%2e/admin",
                            "http://10.0.0.5:8080/api/..%25%32%66admin",
                            "http://10.0.0.5:8080/api//../admin",       //
                            "http://10.0.0.5:8080/api/a//../../admin",  //
                            "http://10.0.0.5:8080//api/../admin",       //
                            "http://stock/try;a=b",                     //
                            "http://10.0.0.5/api/x",                    //
                            "http://stock/try/more",
                            "http://stock/tr",
                            "ftp://stock/try",
                            "stock/try",
                            "",
                            "http://",
                            "http:///try",
                            "http://stock /try",
                            "http://stock/try\r\nHost: evil"})
        EXPECT_FALSE(p.allow(url)) << url;
    EXPECT_FALSE(url_patterns({}).allow("http://stock/try"));
}

TEST(UrlPatterns, AreRefusedWithAReason)
{
    struct bad
    {
        char const *pattern, *why;
    };
    for (auto const& b :
         {bad{"*", "it begins with http:// or https://"}, bad{"stock/try", "it begins with http:// or https://"},
          bad{"http://stock", "it names paths, as in /* or /api/*"},
          bad{"http://*/x", "a * in the host stands at its beginning, as in *.shop.internal"},
          bad{"http://a.*.c/x", "a * in the host stands at its beginning, as in *.shop.internal"},
          bad{"http://a/x*", "a * in the path stands alone at its end, as in /api/*"},
          bad{"http://a/*/x", "a path has no query, and its only * at its end"},
          bad{"http://a/x?y", "a path has no query, and its only * at its end"},
          bad{"http://u@a/x", "what remains without the * is no address"}, bad{"http:///x", "what remains without the * is no address"}})
        try
        {
            url_patterns({b.pattern});
            ADD_FAILURE() << b.pattern;
        }
        catch (std::invalid_argument const& e)
        {
            EXPECT_EQ(std::string(e.what()), '"' + std::string(b.pattern) + "\" is no pattern of addresses: " + b.why);
        }
}
