print("tca-lab")
