"""Say what nets reach with more training or more data: `laws` has the curves, `fitting` fits them to a net's scores,
`curve` predicts and compares, `forecast` puts it into words."""
