internal import ObjectLoader

ObjectLoader.main()
